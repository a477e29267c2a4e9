"""KubeSpawner's attributes on our spawner: accepted without effect, with one warning per Hub."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, MutableMapping
from difflib import get_close_matches
from typing import Any, Final

from tornado.web import HTTPError
from traitlets import Any as AnyTrait
from traitlets import HasTraits
from traitlets.config import Config
from traitlets.traitlets import MetaHasTraits

from spawnpenny.clients.jupyterhub.errors import MisconfiguredError
from spawnpenny.clients.jupyterhub.kubespawner_names import METHODS, MOVED, UNUSED, advice_for

_WARNED: Final = "spawnpenny_warned"
_CLASS: Final = "SpawnpennySpawner"
_THEIRS: Final = "KubeSpawner"


class MovedTrait(AnyTrait):
    """A trait that accepts any value and has no effect. The first read or write in a Hub is logged."""

    def default(self, obj: Any = None) -> Any:
        return copy.deepcopy(MOVED[self.name or ""].default)

    def get(self, obj: Any, cls: type[Any] | None = None) -> Any:
        warn_once(obj, self.name or "")
        return super().get(obj, cls)

    def set(self, obj: Any, value: Any) -> None:
        warn_once(obj, self.name or "")
        super().set(obj, value)


_Attributes: Any = MetaHasTraits("_Attributes", (HasTraits,), {name: MovedTrait() for name in MOVED})


class KubeSpawnerTraits(_Attributes):  # type: ignore[misc]  # made from a table
    """The part of KubeSpawner that existing hooks and ``group_overrides`` use.

    These are not configurable traits of ours, so that no help lists them. Configured values are accepted all the same.
    """

    log: Any
    user: Any
    _log_name: Any
    _not_counted: Any

    def _load_config(self, cfg: Config, section_names: list[str] | None = None, traits: Any = None) -> None:
        known = self.traits(config=True) if traits is None else traits
        moved = {name: trait for name, trait in self.traits().items() if isinstance(trait, MovedTrait)}
        super()._load_config(cfg, section_names, moved | known)
        if _THEIRS in cfg:
            self._warn_of_section(cfg[_THEIRS])

    async def apply_group_overrides(self) -> None:
        """Apply the overrides of the user's groups. An error in them is not counted as a failure of the Hub.

        Raises:
            MisconfiguredError: They cannot be applied, for instance because a value does not fit its trait.

        """
        try:
            await super().apply_group_overrides()
        except HTTPError:
            raise
        except Exception as error:
            self.log.exception("group_overrides cannot be applied to %s", self._log_name)
            cause = f"{type(error).__name__}: {error}"
            raise self._not_counted(
                MisconfiguredError(f"{_CLASS}.group_overrides cannot be applied: {cause}")
            ) from None

    def _apply_overrides(self, spawner_override: Mapping[str, Any]) -> None:
        known = {name: value for name, value in spawner_override.items() if hasattr(self, name)}
        for name in spawner_override.keys() - known.keys():
            warn_of_unknown(self, name, "group_overrides")
        super()._apply_overrides(known)

    def _warn_of_section(self, section: Config) -> None:
        """Log once the settings of ``c.KubeSpawner`` in the Hub's configuration, with the place of each here."""
        if not section or not _first(self, f"c.{_THEIRS}"):
            return
        ours = self.traits(config=True)
        places = ((name, _place_of(name, ours)) for name in sorted(section))
        listed = " ".join(f"{name}: {place}" for name, place in places)
        self.log.warning("c.%s is not read, as %s starts the servers. %s", _THEIRS, _CLASS, listed)

    async def load_user_options(self) -> None:
        """Do nothing: the service applies the options of a user."""
        warn_once(self, "load_user_options")

    async def get_pod_manifest(self) -> dict[str, Any]:
        """Return an empty manifest: the service creates the pod."""
        warn_once(self, "get_pod_manifest")
        return {}

    def get_pvc_manifest(self) -> dict[str, Any]:
        """Return an empty manifest: the service creates the volume claim."""
        warn_once(self, "get_pvc_manifest")
        return {}

    def get_secret_manifest(self, owner_reference: Any = None) -> dict[str, Any]:
        """Return an empty manifest: the service creates the Secret."""
        warn_once(self, "get_secret_manifest")
        return {}

    def get_service_manifest(self, owner_reference: Any = None) -> dict[str, Any]:
        """Return an empty manifest: the service creates the Service."""
        warn_once(self, "get_service_manifest")
        return {}

    def is_pod_running(self, pod: Any) -> bool:
        """Return False: the Hub sees no pods."""
        warn_once(self, "is_pod_running")
        return False

    def pod_has_uid(self, pod: Any) -> bool:
        """Return False: the Hub sees no pods."""
        warn_once(self, "pod_has_uid")
        return False

    def _expand_user_properties(self, template: Any, *_: Any, **__: Any) -> Any:
        """Return a template unchanged: the service expands templates in its own settings."""
        warn_once(self, "_expand_user_properties")
        return template

    def _expand_all(self, src: Any) -> Any:
        """Return templates unchanged: the service expands templates in its own settings."""
        warn_once(self, "_expand_all")
        return src


def warn_once(spawner: Any, name: str) -> None:
    """Log once per Hub that a name of KubeSpawner has no effect here, with the place of its setting."""
    if _first(spawner, name):
        what = "has no effect here" if name in METHODS else "is not used"
        spawner.log.warning("%s.%s %s. %s", _CLASS, name, what, advice_for(name))


def warn_of_unused(spawner: Any) -> None:
    """Log once per Hub every trait of JupyterHub that is set and has no effect here."""
    traits = spawner.traits()
    for name in UNUSED:
        if getattr(spawner, name) != traits[name].default(spawner):
            warn_once(spawner, name)


def warn_of_unknown(spawner: Any, name: str, source: str) -> None:
    """Log once per Hub that no spawner has a name, with the nearest name that one has."""
    if _first(spawner, f"{source} {name}"):
        near = get_close_matches(name, [*spawner.trait_names(), *UNUSED], n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        spawner.log.warning("%s sets %s, which no spawner has. It is ignored.%s", source, name, hint)


def _first(spawner: Any, what: str) -> bool:
    user = getattr(spawner, "user", None)
    settings: MutableMapping[str, Any] | None = getattr(user, "settings", None)
    if settings is None:  # a spawner outside of a Hub
        return True
    warned: set[str] = settings.setdefault(_WARNED, set())
    if what in warned:
        return False
    warned.add(what)
    return True


def _place_of(name: str, ours: Iterable[str]) -> str:
    moved = advice_for(name)
    if moved is not None:
        return moved
    return f"Set c.{_CLASS}.{name}." if name in ours else "No spawner has such a setting."
