"""Try the settings that a migration writes: leave out and report the smallest parts that the service refuses."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from spawnpenny.admin.migration.advice import report
from spawnpenny.admin.migration.carried import Carried
from spawnpenny.admin.migration.optional_parts import LAB, NAMESPACE, SECTION, STORAGE
from spawnpenny.admin.migration.pruning import Check, Loss, Shape, prune
from spawnpenny.admin.migration.quota import QUOTA, fitting_quota, limit_of
from spawnpenny.admin.migration.samples import Samples
from spawnpenny.admin.rehearsal.references import pull_secrets
from spawnpenny.embedded.api.validation import validate
from spawnpenny.errors import PluginError, SettingsError, SpawnpennyError
from spawnpenny.kubernetes.interface import Manifest, Ref
from spawnpenny.settings.load import make_settings

_SOURCE: Final = "what was carried"
_SHAPES: Final = {"namespace": NAMESPACE, "lab": LAB, "storage": STORAGE}
_PLUGINS: Final = "plugins"
_OWNER: Final = re.compile(r"\b(chown|chgrp|chmod)\b")


def try_settings(carried: Carried, base: Mapping[str, Any] | None = None) -> Samples:
    """Make settings with which a service starts, and add notes on what else they need.

    Args:
        carried: The carried settings; they become those to write.
        base: Existing settings, into which the carried ones are merged.

    Raises:
        SettingsError: The base is wrong, or a plugin is not installed.

    """
    _prune(carried, base or {})
    _fit_quota(carried, base or {})
    carried.add_to(base or {})
    samples = Samples(make_settings(carried.settings, source=_SOURCE))
    _add_notes_on_pods(carried, samples)
    return samples


def _prune(carried: Carried, base: Mapping[str, Any]) -> None:
    """Add the sections to the base one after the other, without the parts that are refused."""
    whole = carried.settings
    carried.settings = {_PLUGINS: {name: dict(carried.defaults.get(name, {})) for name in whole.get(_PLUGINS, {})}}
    Samples(make_settings(carried.merged(base), source="the settings"))
    for path, section, shape in _sections(whole):
        check = _check(carried, base, path)
        pruned = prune(section, shape, check)
        if pruned is not None:
            carried.put(".".join(path), _with_defaults(carried, path, pruned.value))
        losses = pruned.losses if pruned is not None else (Loss((), section, check(section) or "", check),)
        for loss in losses:
            report(carried, path, loss)


def _with_defaults(carried: Carried, path: tuple[str, ...], section: Any) -> Any:
    return {**carried.defaults.get(path[-1], {}), **section} if isinstance(section, Mapping) else section


def _fit_quota(carried: Carried, base: Mapping[str, Any]) -> None:
    """Remove from an existing quota the resources that labs have no limit of: with them, no lab would start."""
    settings = carried.merged(base)
    if QUOTA not in settings[_PLUGINS]:
        return
    try:
        free = fitting_quota(settings, settings[_PLUGINS][QUOTA] or {})
    except SettingsError as error:
        carried.lose(
            f"plugins.{QUOTA}", error.message.removesuffix("."), "The service does not start until this is corrected."
        )
        return
    for resource in free:
        carried.put(f"plugins.{QUOTA}.{resource}", None)
        carried.notes.append(
            f"plugins.{QUOTA}.{resource}: labs have no limit of it in KubeSpawner's settings, and under a quota "
            "Kubernetes refuses pods without one. So it is null. To limit it again, give labs and profiles a "
            f"{limit_of(resource)}."
        )


def _sections(whole: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any, Shape]]:
    for name, section in whole.get(_PLUGINS, {}).items():
        yield (_PLUGINS, name), section, _SHAPES.get(name, SECTION)
    for name, section in whole.items():
        if name != _PLUGINS:
            yield (name,), section, SECTION


def _check(carried: Carried, base: Mapping[str, Any], path: tuple[str, ...]) -> Check:
    """Return a check of a value as the content of a section, together with the sections accepted so far."""

    def check(value: Any) -> str | None:
        tried = Carried(settings=copy.copy(carried.settings))
        tried.put(".".join(path), _with_defaults(carried, path, value))
        return _refusal(tried.merged(base))

    return check


def _refusal(settings: Mapping[str, Any]) -> str | None:
    """Return why a service with these settings would not start, or would make an invalid pod; None if neither."""
    try:
        samples = Samples(make_settings(settings, source=_SOURCE))
        for pod in samples.pods():
            _validate(pod)
    except (SettingsError, PluginError) as error:
        return error.message.removeprefix(f"In {_SOURCE}: ").removesuffix(".")
    except SpawnpennyError as error:
        return error.message.rpartition(" spec.")[2].removesuffix(".")
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # data of the wrong type, deep in an object
        return f"no pod can be made with it ({type(error).__name__})"
    return None


def _validate(pod: Manifest) -> None:
    """Refuse a pod with invalid names, labels or mounts; the kinds of its volumes are not checked."""
    spec = pod["spec"]
    kinds = ("initContainers", "containers")
    made = {
        **pod,
        "metadata": {**pod["metadata"], "namespace": "somebody"},
        "spec": {
            **spec,
            "volumes": [{"name": volume["name"], "emptyDir": {}} for volume in spec.get("volumes") or ()],
            **{kind: [_without_expressions(container) for container in spec.get(kind) or ()] for kind in kinds},
        },
    }
    validate("create", Ref.of(made), made)


def _without_expressions(container: Manifest) -> Manifest:
    mounts = container.get("volumeMounts") or ()
    return {**container, "volumeMounts": [{k: v for k, v in mount.items() if k != "subPathExpr"} for mount in mounts]}


def _add_notes_on_pods(carried: Carried, samples: Samples) -> None:
    carried.notes += dict.fromkeys(owner for pod in samples.pods() for owner in _owners(pod))
    pulled = {name for pod in samples.pods() for name in pull_secrets(pod)}
    made = {manifest["metadata"]["name"] for manifest in samples.made_for_all() if manifest["kind"] == "Secret"}
    for name in sorted(pulled - made):
        carried.notes.append(
            f"The pull secret {name} has to be in each user's namespace, not only in the Hub's. Have a plugin make it: "
            "without it, private images cannot be pulled."
        )


def _owners(pod: Manifest) -> Iterator[str]:
    """Yield notes on init containers that change the owner of files as root: there are better ways."""
    for container in pod["spec"].get("initContainers") or ():
        words = " ".join(map(str, (*container.get("command", ()), *container.get("args", ()))))
        if (container.get("securityContext") or {}).get("runAsUser") == 0 and _OWNER.search(words):
            yield (
                f"The init container {container['name']} changes the owner of files as root. For a volume claim, "
                "fs_gid does that: remove the container. For NFS, fs_gid has no effect: make the folder with an order "
                "of the broker (docs/explanation/broker.md), or open what the container needs."
            )
