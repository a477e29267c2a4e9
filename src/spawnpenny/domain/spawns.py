"""A spawn: its request, and its progress."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

USER: Final = "user"
"""The kind of the provisioning of a user, the only one that no plugin declares."""
LAB: Final = "lab"
"""The kind of labs, to which other spawns may belong."""
KIND_NAME: Final = re.compile(r"[a-z][a-z0-9]{0,14}", re.ASCII)


class Phase(StrEnum):
    """Phase of a spawn: ``requested -> pending -> running -> stopping``, or ``undoing -> failed``, or ``exited``.

    A spawn of a kind that completes ends with ``succeeded`` if its main program ended with exit code 0.
    """

    REQUESTED = "requested"
    PENDING = "pending"
    RUNNING = "running"
    STOPPING = "stopping"
    UNDOING = "undoing"
    FAILED = "failed"
    EXITED = "exited"
    SUCCEEDED = "succeeded"

    @property
    def over(self) -> bool:
        """Nothing of the spawn is left but its history."""
        return self in {Phase.FAILED, Phase.EXITED, Phase.SUCCEEDED}


class Desired(StrEnum):
    RUNNING = "running"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Key:
    """The key of a spawn among those of one user: its kind and its name."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Key:
        """Return the key that ``str`` wrote, such as ``lab/~default``.

        Raises:
            ValueError: No kind can have this name.

        """
        kind, _, name = text.partition("/")
        if not KIND_NAME.fullmatch(kind):
            raise ValueError("a key does not begin with the name of a kind")
        return cls(kind, name)


@dataclass(frozen=True, slots=True)
class Tls:
    """The TLS identity of a lab, and the authorities that it trusts: PEM texts. The key is secret."""

    key: str = field(repr=False)
    cert: str = field(repr=False)
    ca: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Caller:
    """The lab that a request came from: its name, the id of its spawn, the image that it runs, and its options.

    ``options`` is empty if they are larger than a record has room for.
    """

    lab: str
    spawn: str
    image: str
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data, with options only if it has any."""
        data = {"lab": self.lab, "spawn": self.spawn, "image": self.image}
        return {**data, "options": dict(self.options)} if self.options else data


DEFAULT_GROUP: Final = "default"
"""The group of workers that every spawn with workers has."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The number of workers that a spawn is to have.

    ``count`` is the number in the default group. If ``adaptive``, the scheduler changes it between ``minimum`` and
    ``maximum`` (None: as many as fit). ``groups`` has the counts of the other groups.
    """

    count: int = 0
    minimum: int = 0
    maximum: int | None = None
    adaptive: bool = False
    groups: Mapping[str, int] = field(default_factory=dict)

    def of(self, group: str) -> int:
        """Return how many workers a group is to have."""
        return self.count if group == DEFAULT_GROUP else self.groups.get(group, 0)

    def resized(self, group: str, count: int) -> Scale:
        """Return the same with another count of one group."""
        if group == DEFAULT_GROUP:
            return replace(self, count=count)
        return replace(self, groups={name: number for name, number in {**self.groups, group: count}.items() if number})

    @property
    def total(self) -> int:
        """The number of workers that all groups together are to have."""
        return self.count + sum(self.groups.values())

    def held(self, count: int) -> Scale:
        """Return the same with another count, within its bounds where it is adaptive."""
        if self.adaptive:
            count = max(self.minimum, count if self.maximum is None else min(count, self.maximum))
        return replace(self, count=count)


@dataclass(frozen=True, slots=True)
class SpawnRequest:
    """A caller's request for a spawn. ``start`` is the caller's own random id of it; ``timeout`` is in seconds.

    ``caller`` is the lab that sent it, if a lab did. ``client`` names the program that sent it, such as a Hub.
    ``scale`` is the one to begin with, of a kind with workers.
    """

    start: str
    options: dict[str, Any] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict, repr=False)
    timeout: float | None = None
    tls: Tls | None = field(default=None, repr=False)
    caller: Caller | None = None
    client: str = ""
    scale: Scale = field(default_factory=Scale)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that must not be quoted: the values of env, and the key, also line by line, as programs print it."""
        key = self.tls.key.splitlines() if self.tls else ()
        return (*self.env.values(), *(line for line in key if not line.startswith("-----")))


@dataclass(frozen=True, slots=True)
class Reason:
    """The reason why a spawn failed or ended, or that it succeeded: a stable code, and one plain sentence for its user.

    ``advice`` is what its user can do, if the error has advice of its own. ``exit_code`` is that of the program, if it
    has ended.
    """

    code: str
    message: str
    advice: str | None = None
    exit_code: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as it is stored and shown."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class StepState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    FAILED = "failed"
    REVERTED = "reverted"


@dataclass(slots=True)
class StepProgress:
    """The progress of one step; ``seconds`` is how long it took."""

    name: str
    state: StepState = StepState.WAITING
    seconds: float | None = None


MAX_SPAWNS: Final = 10
"""How many spawns one user's record holds."""
MAX_CLIENT: Final = 200
"""How many characters the name of a caller's program may have."""
MAX_ENV_BYTES: Final = 32 * 1024
"""How large the names and values of one caller's env may be, together and with the TLS key and certificates."""
MAX_STATE_BYTES: Final = 2 * 1024
"""How large the JSON of what the steps of one spawn keep may be."""
MAX_CALLER_OPTIONS_BYTES: Final = 1024
"""How large the JSON of a calling lab's options may be to be kept with what it requested."""
MAX_EVENTS: Final = 64
MAX_EVENT_BYTES: Final = 512
