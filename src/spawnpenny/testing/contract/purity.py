"""Rules of the pure methods: same result, same inputs, no cluster; and of the fingerprint."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from spawnpenny.testing.contract.subject import Subject
from spawnpenny.testing.contract.trial import Trial

if TYPE_CHECKING:
    from spawnpenny.kubernetes.interface import Manifest

_FAILED = object()


async def check_pure_methods(trial: Trial) -> None:
    """Call each pure method twice, and once in another process."""
    main = trial.main
    main.recorder.arm()
    first = {name: _pure(trial, name) for name in _methods(main)}
    again = {name: _pure(trial, name) for name in _methods(main)}
    main.restart()
    later = {name: _pure(trial, name) for name in _methods(main)}
    for name, result in first.items():
        if _FAILED in (result, again[name], later[name]):
            continue
        if result != again[name]:
            trial.report("pure", f"{name} returned another result at the second call.", name)
        elif result != later[name]:
            trial.report("pure", f"{name} returned another result in another process.", name)


async def check_fingerprint(trial: Trial) -> None:
    """Compare fingerprints and manifests of a user step, for other labs, users and settings."""
    if trial.scope != "user":
        return
    main, contract = trial.main, trial.stage.contract
    changed = replace(main.user, uid=(main.user.uid or 0) + 1, gid=(main.user.gid or 0) + 1, groups=())
    variants = {
        "another process": _variant(main),
        "another start of the spawn": _variant(main, id="another"),
        "another spawn of the user": _variant(main, name="other", id="of another"),
        "a user with another uid, gid and other groups": _variant(main, user=changed),
        "other options": _variant(main, options=copy.deepcopy(dict(contract.other_options))),
    }
    base, fingerprint = _manifests(main), _fingerprint(main)
    if base is None:
        return  # check_pure_methods has reported it
    for name, subject in variants.items():
        made = _manifests(subject)
        if made is None:
            continue
        same = _fingerprint(subject) == fingerprint
        if same and made != base:
            trial.report("fingerprint", f"For {name}, its manifests differ and its fingerprint is the same.", "missed")
        elif not same and made == base and base:
            trial.report("fingerprint", f"For {name}, its fingerprint differs and its manifests are the same.", "vain")
        if subject.user == main.user and (shared := _differing(base, made)):
            trial.report("shared", f"For {name}, the content of {shared} differs.")


def _methods(main: Subject) -> Mapping[str, Callable[[], Any]]:
    step, planned = main.step, main.planned()
    methods: dict[str, Callable[[], Any]] = {
        "resources": lambda: step.resources(planned),
        "check": lambda: step.check(planned),
        "container_limits": step.container_limits,
        "secrets": lambda: sorted(step.secrets(planned)),
        "manifests": lambda: [_without_values(manifest) for manifest in step.manifests(planned)],
        "services": lambda: tuple(step.services(planned.names)),
        "verify": lambda: step.verify(planned, {}),
    }
    if step.scope == "user":
        methods["fingerprint"] = lambda: step.fingerprint(main.spawn(step))
    return methods


def _without_values(manifest: Manifest) -> Manifest:
    """Return a manifest, but of a Secret only the keys: keys and certificates may be new each time."""
    if manifest["kind"] != "Secret":
        return manifest
    return {key: sorted(value) if key in {"data", "stringData"} else value for key, value in manifest.items()}


def _pure(trial: Trial, name: str) -> Any:
    """Call a pure method; return its result, as JSON where it can be."""
    main = trial.main
    before = copy.deepcopy({"options": main.options, "env": main.env, "secrets": main.record_secrets})
    calls = len(main.recorder.every_call)
    try:
        result: Any = copy.deepcopy(_methods(main)[name]())
    except Exception as error:  # noqa: BLE001 - it is the step's, and becomes a finding
        rule = "no-cluster" if isinstance(error, AttributeError) and "not available here" in str(error) else "pure"
        trial.report(rule, f"{name} raised {type(error).__name__}: {error}", name)
        result = _FAILED
    now = {"options": main.options, "env": main.env, "secrets": main.record_secrets}
    if changed := [place for place, value in now.items() if value != before[place]]:
        trial.report("inputs", f"{name} changed spawn.{', spawn.'.join(changed)}.", name)
        main.options, main.env, main.record_secrets = before["options"], before["env"], before["secrets"]
    if len(main.recorder.every_call) != calls:
        trial.report("no-cluster", f"{name} made a call: {main.recorder.every_call[-1]}.", name)
    return result


def _variant(main: Subject, **changes: Any) -> Subject:
    subject = replace(main, **{"options": copy.deepcopy(main.options), **changes})
    subject.restart()
    return subject


def _manifests(subject: Subject) -> list[Manifest] | None:
    try:
        return list(subject.step.manifests(subject.planned()))
    except Exception:  # noqa: BLE001 - the options of a variant may be wrong; check_pure_methods reports the rest
        return None


def _fingerprint(subject: Subject) -> str:
    return json.dumps(subject.step.fingerprint(subject.spawn(subject.step)), sort_keys=True, default=str)


def _differing(base: list[Manifest], made: list[Manifest]) -> str:
    """Return an object that both have, with another content."""
    known = {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in base}
    for manifest in made:
        place = manifest["kind"], manifest["metadata"]["name"]
        if known.get(place, manifest) != manifest:
            return " ".join(place)
    return ""
