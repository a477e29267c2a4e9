"""State of one spawn, as the routes of its plugin see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spawnpenny.domain.spawns import Caller, Desired, Key, Phase, Reason, Scale
from spawnpenny.web.schemas.responses import spawn_view

if TYPE_CHECKING:
    from spawnpenny.domain.resources import Resources
    from spawnpenny.spawns.active import ActiveSpawn, EndedPart, HeldBack


class SpawnState:
    """A spawn of a kind that the plugin declares, as it is now. Nothing of it can be changed here.

    Example::

        spawn = spawns.find(request, Key("render", "r1"))
        answer = {**spawn.view(), "render": spawn.key.name}
    """

    __slots__ = ("_run", "_username")

    def __init__(self, username: str, run: ActiveSpawn) -> None:
        self._username = username
        self._run = run

    @property
    def username(self) -> str:
        """The user of the spawn."""
        return self._username

    @property
    def key(self) -> Key:
        """The kind and the name."""
        return self._run.record.key

    @property
    def id(self) -> str:
        """The id, which is in a label of each object of the spawn."""
        return self._run.record.id

    @property
    def start(self) -> str:
        """The caller's id of the start."""
        return self._run.record.request.start

    @property
    def caller(self) -> Caller | None:
        """The lab that requested it, if a lab did."""
        return self._run.record.request.caller

    @property
    def options(self) -> Mapping[str, Any]:
        """The chosen options, without the secret ones."""
        return self._run.record.request.options

    @property
    def secrets(self) -> Mapping[str, str]:
        """The texts that its steps keep of it. Never answer with one as it is."""
        return self._run.record.secrets

    @property
    def phase(self) -> Phase:
        """The phase."""
        return self._run.record.phase

    @property
    def ending(self) -> bool:
        """True while it is being stopped or undone, and once it has ended."""
        record = self._run.record
        return record.desired is Desired.GONE or record.phase is Phase.UNDOING or record.phase.over

    @property
    def gone(self) -> bool:
        """True once nothing of it is left."""
        return self._run.gone

    @property
    def reason(self) -> Reason | None:
        """The reason of its failure or end."""
        return self._run.record.reason

    @property
    def url(self) -> str | None:
        """The URL, once it runs."""
        return self._run.record.url

    @property
    def pod_uid(self) -> str | None:
        """The uid of its main pod."""
        return self._run.record.pod_uid

    @property
    def scale(self) -> Scale:
        """The number of workers that it is to have."""
        return self._run.record.scale

    @property
    def resources(self) -> Resources:
        """The part of the user's budget that it uses until it has ended."""
        return self._run.record.resources

    @property
    def active(self) -> bool:
        """True until it has ended."""
        return self._run.record.active

    @property
    def idle_since(self) -> float | None:
        """The time since which nothing has run on it, in seconds since the epoch."""
        return self._run.record.idle_since

    @property
    def requested_at(self) -> float:
        """The time of its request, in seconds since the epoch."""
        return self._run.record.requested_at

    @property
    def ended_at(self) -> float | None:
        """The time of its end, in seconds since the epoch."""
        return self._run.record.ended_at

    @property
    def held_back(self) -> HeldBack | None:
        """The reason for which a part of it is not made now: ``message``, ``code`` and ``until``."""
        return self._run.held_back

    @property
    def ended_parts(self) -> Sequence[EndedPart]:
        """The last of its further pods that have ended: ``pod`` and ``at``."""
        return tuple(self._run.ended_parts)

    def view(self) -> dict[str, Any]:
        """Return the JSON that the views of all kinds have in common, as ``SpawnView`` describes it."""
        return spawn_view(self._username, self._run)
