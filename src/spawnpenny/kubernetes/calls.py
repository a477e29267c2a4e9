"""Calls to the Kubernetes API: their paths, their names in error messages, and the meter that counts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from spawnpenny.kubernetes.errors import InvalidObjectError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spawnpenny.kubernetes.interface import Ref
    from spawnpenny.kubernetes.kinds import Resource


@dataclass(frozen=True, slots=True)
class Call:
    """A verb on a resource, in a namespace or in all, on one object or on all.

    ``blind`` says that the caller states no version, so that a conflict is the API server's own affair and
    worth another try.
    """

    verb: str
    resource: Resource
    namespace: str | None = None
    name: str | None = None
    subresource: str = ""
    blind: bool = False

    @classmethod
    def on(cls, verb: str, ref: Ref, subresource: str = "", *, blind: bool = False) -> Call:
        """Return a call on one object.

        Raises:
            InvalidObjectError: It has no name, or no namespace where it needs one: such a path would mean
                something else (a DELETE without a name deletes all of them).

        """
        _check(ref, ref.name, "name")
        if ref.resource.namespaced:
            _check(ref, ref.namespace or "", "namespace")
        return cls(verb, ref.resource, ref.namespace, ref.name, subresource, blind)

    def path(self, *, collection: bool = False) -> str:
        """Return the path on the API server; ``collection`` leaves the name out, as a create has it."""
        version = self.resource.api_version
        parts = ["apis" if self.resource.group else "api", *version.split("/")]
        if self.namespace and self.resource.namespaced:
            parts += ["namespaces", self.namespace]
        parts.append(self.resource.plural)
        if self.name and not collection:
            parts.append(self.name)
        if self.subresource:
            parts.append(self.subresource)
        return "/" + "/".join(quote(part, safe="") for part in parts)

    def facts(self) -> dict[str, Any]:
        return {
            "verb": self.verb,
            "kind": self.resource.kind,
            "namespace": self.namespace,
            "name": self.name,
        }

    def __str__(self) -> str:
        what = f"{self.resource.kind} {self.name}" if self.name else self.resource.plural
        of = f"{self.subresource} of " if self.subresource else ""
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {of}{what}{where}"


def selector(labels: Mapping[str, str] | None) -> dict[str, str]:
    """Return the query parameter that selects objects with all of the labels."""
    return {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())} if labels else {}


def _check(ref: Ref, part: str, what: str) -> None:
    if part in {"", ".", ".."}:
        raise InvalidObjectError(f"A {ref.resource.kind} needs a valid {what}, not {part!r}.", kind=ref.resource.kind)


class Meter(Protocol):
    """Count calls. An implementation must return at once, and not raise."""

    def called(self, call: Call, *, outcome: str, seconds: float, retries: int) -> None:
        """Count a call. ``outcome`` is ``ok`` or the code of the error; ``seconds`` is the time of all its tries."""
        ...


class NoMeter:
    """Count nothing."""

    def called(self, call: Call, *, outcome: str, seconds: float, retries: int) -> None:
        """Ignore a call."""
