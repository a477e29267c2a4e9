"""The Secrets and ConfigMaps for the environment and volumes of pods."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

from spawnpenny.kubernetes.interface import Manifest, Ref
from spawnpenny.kubernetes.kinds import resource_of

if TYPE_CHECKING:
    from spawnpenny.embedded.api.store import Store


class MissingSourceError(Exception):
    """An object that a pod refers to does not exist yet, or is not supported here; worded as by a kubelet."""


class Sources:
    """The Secrets, ConfigMaps and volume claims of one namespace."""

    _KINDS: Final = {
        "secret": "Secret",
        "configmap": "ConfigMap",
        "persistentvolumeclaim": "PersistentVolumeClaim",
    }

    def __init__(self, store: Store, namespace: str) -> None:
        self._store = store
        self._namespace = namespace

    def has_claim(self, name: str) -> bool:
        return self._find("persistentvolumeclaim", name) is not None

    def items(self, kind: str, name: str, *, optional: bool) -> dict[str, bytes]:
        """Return all entries of a ``secret`` or ``configmap``; none if it is optional and does not exist.

        Raises:
            MissingSourceError: It does not exist.

        """
        manifest = self._find(kind, name)
        if manifest is None:
            if optional:
                return {}
            raise MissingSourceError(f'{kind} "{name}" not found')
        data, binary = manifest.get("data") or {}, manifest.get("binaryData") or {}
        if kind == "secret":
            return {key: _decode(value) for key, value in data.items()}
        return {key: text.encode() for key, text in data.items()} | {
            key: _decode(value) for key, value in binary.items()
        }

    def item(self, kind: str, name: str, key: str, *, optional: bool) -> bytes | None:
        """Return one entry, or None if it is optional and does not exist.

        Raises:
            MissingSourceError: It does not exist.

        """
        items = self.items(kind, name, optional=optional)
        if key not in items and not optional:
            raise MissingSourceError(f"couldn't find key {key} in {kind} {self._namespace}/{name}")
        return items.get(key)

    def _find(self, kind: str, name: str) -> Manifest | None:
        stored = self._store.find(Ref(resource_of(self._KINDS[kind]), name, self._namespace))
        return stored.manifest if stored is not None else None


def _decode(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        raise MissingSourceError("illegal base64 data in a secret") from None
