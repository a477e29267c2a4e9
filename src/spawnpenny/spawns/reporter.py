"""Reports of one spawn: events, messages to its user, progress, with the secrets removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Unpack

from spawnpenny.domain.events import About, EventType, Severity
from spawnpenny.domain.spawns import StepProgress, StepState
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.kubernetes.pods import status as pod_status
from spawnpenny.spawns.spawn_context import SpawnContext


@dataclass(frozen=True)
class Reporter:
    """Reports what happens to one spawn."""

    context: SpawnContext

    def emit(self, type_: EventType, message: str, **about: Unpack[About]) -> None:
        """Add an event to the spawn, and pass it to the plugins that observe events."""
        run = self.context.run
        about.setdefault("progress", run.record.progress)
        event = run.add_event(type_, message, **about)
        self.context.service_context.plugins.observe(self.context.user_state.username, run.record.key, event)

    def notify(self, message: str, severity: Severity = Severity.NORMAL, code: str | None = None) -> None:
        """Send the user a message, unless it is the same as the last."""
        message = self.scrub(message)
        if message != self.context.run.waiting_for:
            self.context.run.waiting_for = message
            shown = severity if severity is Severity.WARNING else None
            self.emit(EventType.INFO, message, severity=shown, code=code)

    def warn_of_sidecars(self, pod: Manifest) -> None:
        """Warn once of every container in trouble beside the program. Such a container does not fail the spawn."""
        for container, error in pod_status.side_troubles(pod):
            about = f"{container}: {error.code}"
            if about not in self.context.run.warned:
                self.context.run.warned.add(about)
                message = self.scrub(f"{error.message} It only runs beside the program.")
                self.emit(EventType.INFO, message, severity=Severity.WARNING)

    def step(self, name: str, state: StepState, seconds: float | None) -> None:
        """Report the progress of a step."""
        steps = self.context.run.record.steps
        progress = next((step for step in steps if step.name == name), None)
        if progress is None:
            progress = StepProgress(name)
            steps.append(progress)
        progress.state = state
        if seconds is not None:
            progress.seconds = seconds = round(seconds, 3)
        took = f" in {seconds:.2f} s" if seconds is not None and state is StepState.DONE else ""
        severity = Severity.WARNING if state is StepState.FAILED else None
        self.emit(EventType.STEP, f"{name}: {state}{took}", step=name, state=state, seconds=seconds, severity=severity)

    def scrub(self, text: str) -> str:
        """Remove the caller's secrets from a text."""
        return self.context.run.scrubbed(text, username=self.context.user_state.username)
