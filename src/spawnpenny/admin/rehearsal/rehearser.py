"""Rehearse one spawn: accept it as the service does, make its manifests step by step, and check them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from spawnpenny.admin.rehearsal.findings import Findings
from spawnpenny.admin.rehearsal.missing_objects import missing_problem
from spawnpenny.admin.rehearsal.offline import NoClusterError, offline_user_state
from spawnpenny.admin.rehearsal.pod_checks import problems_of_pod
from spawnpenny.admin.rehearsal.redaction import redacted
from spawnpenny.admin.rehearsal.references import references_of
from spawnpenny.admin.rehearsal.result import Problem, RehearsedSpawn, Severity, Unrehearsed
from spawnpenny.admin.rehearsal.sample_request import sample_request
from spawnpenny.admin.rehearsal.scratch_namespace import ScratchNamespace, Verdict
from spawnpenny.admin.rehearsal.setting_path import setting_path
from spawnpenny.auth.identity import Identity
from spawnpenny.auth.lab_tokens import VARIABLE
from spawnpenny.domain.resources import Resources, total
from spawnpenny.domain.spawns import Key, Scale
from spawnpenny.errors import InvalidRequestError, QuotaExceededError, SpawnpennyError
from spawnpenny.kubernetes.models import ObjectTypes
from spawnpenny.pipeline.errors import PatchConflictError
from spawnpenny.pipeline.pod_patches import merge_patches
from spawnpenny.spawns.admission import choose, draft
from spawnpenny.spawns.container_limits import container_limits, limited
from spawnpenny.spawns.step_view import StepView

if TYPE_CHECKING:
    from spawnpenny.admin.rehearsal.candidates import Candidate
    from spawnpenny.domain.spawns import Caller
    from spawnpenny.kubernetes.interface import Manifest
    from spawnpenny.kubernetes.models import Mismatch
    from spawnpenny.pipeline.spawn import PlannedSpawn
    from spawnpenny.pipeline.step import Step
    from spawnpenny.spawns.service_context import ServiceContext
    from spawnpenny.spawns.spawn_context import SpawnContext

T = TypeVar("T")
_NOBODY: Final = Identity("rehearsal", frozenset())
_MISREAD: Final = (AttributeError, KeyError, TypeError, ValueError)


@dataclass
class Rehearser:
    """Rehearsal of spawns, one after the other, for users who have nothing yet."""

    service_context: ServiceContext
    findings: Findings
    unrehearsed: list[Unrehearsed] = field(default_factory=list)
    types: ObjectTypes = field(default_factory=ObjectTypes)
    missing: list[str] = field(default_factory=list)

    def silent(self) -> Rehearser:
        """Return a rehearser whose findings are dropped."""
        return Rehearser(self.service_context, Findings(), types=self.types)

    def run(self, candidate: Candidate, caller: Caller | None = None) -> RehearsedSpawn:
        """Rehearse one spawn, and add its problems to the findings."""
        user_state, request = offline_user_state(candidate.user), sample_request(candidate, caller)
        context = draft(
            self.service_context, user_state, Key(candidate.kind.name, candidate.name), request, identity=_NOBODY
        )
        context.run.record.id = "rehearsal"
        context.run.record.scale = Scale().resized(
            candidate.group, 1
        )  # without a worker, no worker pod would be checked
        rehearsal = _SpawnRehearsal(self, candidate, context)
        rehearsal.accept()
        manifests = tuple(rehearsal.make())
        return RehearsedSpawn(
            label=candidate.label,
            kind=candidate.kind.name,
            user=candidate.user.username,
            name=candidate.name,
            options=candidate.options,
            odd=candidate.odd,
            starts=not rehearsal.refused,
            resources=context.run.record.resources,
            title=candidate.title,
            scales=candidate.kind.scales,
            manifests=tuple(map(redacted, manifests)),
        )


@dataclass
class _SpawnRehearsal:
    rehearser: Rehearser
    candidate: Candidate
    context: SpawnContext
    refused: bool = False
    over_quota: bool = False
    namespace: ScratchNamespace = field(default_factory=ScratchNamespace)

    def accept(self) -> None:
        """Check the request as the service does, but go on after the first refusal."""
        record, steps = self.context.run.record, self.context.pipeline.steps
        one = Resources(spawns={record.key.kind: 1})
        try:
            choose(self.context)
        except InvalidRequestError as error:
            self._found(Problem("options", error.code, error.message))
            return
        if VARIABLE in record.request.env:  # the real one is random
            record.request = replace(record.request, env={**record.request.env, VARIABLE: "rehearsal"})
        spawn = replace(StepView(self.context).spawn(), _patch=self._patched())
        record.resources = total(
            (*(self._of(step, partial(step.resources, spawn), Resources()) for step in steps), one)
        )
        for step in steps:
            self._of(step, partial(step.check, StepView(self.context).spawn()), None)
        nothing: Mapping[str, str] = {}
        for step in steps:
            record.secrets |= self._of(step, partial(step.secrets, StepView(self.context).spawn()), nothing)

    def make(self) -> Iterator[Manifest]:
        """Yield the manifests of all steps, each checked."""
        made: list[Manifest] = []
        nothing: Sequence[Manifest] = ()
        for step in self.context.pipeline.steps:
            seen = replace(StepView(self.context).with_cluster(step), _patch=self._patched())
            for manifest in self._of(step, partial(step.manifests, seen), nothing):
                marked = seen.cluster.labelled(manifest)
                self._judge(step, marked)
                made.append(marked)
        for manifest in filter(self.rehearser.types.fits, made):
            self._refer(manifest)
        yield from made

    def _of(self, step: Step, work: Callable[[], T], otherwise: T) -> T:
        try:
            return work()
        except NoClusterError:
            self.rehearser.unrehearsed.append(Unrehearsed(step.name, "it reads the cluster before it makes anything"))
        except QuotaExceededError as error:
            self._quota(step, error)
        except SpawnpennyError as error:
            self._found(Problem(self._plugin(step), error.code, error.message))
        except Exception as error:  # noqa: BLE001 - an error in a plugin, which would fail the spawn too
            message = f"The step {step.name} of the plugin {self._origin(step)} failed: {type(error).__name__}: {error}"
            self._found(Problem(self._plugin(step), "step_failed", message))
        return otherwise

    def _patched(self) -> Callable[[PlannedSpawn, Manifest], Manifest]:
        """Return a function that merges the patches of all plugins, and reports all conflicts, not only the first."""
        plugins, limits = self.rehearser.service_context.plugins, container_limits(self.context.pipeline.steps)

        def patched(spawn: PlannedSpawn, pod: Manifest) -> Manifest:
            base = f"the {spawn.kind} plugin"
            for patch in plugins.pod_patches(spawn, copy.deepcopy(pod)):
                try:
                    pod = merge_patches(pod, [patch], base=base)
                except PatchConflictError as error:
                    self._found(Problem(f"plugins.{patch[0]}", error.code, error.message))
            return limited(pod, limits)

        return patched

    def _judge(self, step: Step, manifest: Manifest) -> None:
        settings = self.rehearser.service_context.settings
        mismatches = list(self.rehearser.types.mismatches(manifest))
        for mismatch in mismatches:
            self._mismatch(step, manifest, mismatch)
        sound = all(mismatch.unknown for mismatch in mismatches)
        # The other rules may fail on fields of the wrong type: then the problems found so far have to do.
        with suppress(*(() if sound else _MISREAD)):
            for problem in problems_of_pod(manifest, settings) if manifest["kind"] == "Pod" else ():
                self._found(problem)
        if sound:
            self._verdict(step, manifest, self.namespace.create(manifest))

    def _mismatch(self, step: Step, manifest: Manifest, mismatch: Mismatch) -> None:
        place = self._setting(step, mismatch.subject, mismatch.path)
        message = (
            f"In the {manifest['kind']} of the step {step.name}, {mismatch.path or 'the whole'} {mismatch.message}."
        )
        severity = Severity.WARNING if mismatch.unknown else Severity.REFUSAL
        self._found(Problem(place, "cluster_invalid_object", message, severity=severity), subject=mismatch.path)

    def _verdict(self, step: Step, manifest: Manifest, verdict: Verdict) -> None:
        what = f"{manifest['kind']} of the step {step.name}"
        for faults, code, why in (
            (verdict.faults, "cluster_invalid_object", ""),
            (verdict.beside_range, "limit_range", ", with the limits that the quota sets for containers without any"),
        ):
            for fault in faults:
                place = self._setting(step, fault.subject, fault.path)
                message = f"Kubernetes refuses the {what}: {fault}{why}."
                self._found(Problem(place, code, message), subject=f"{manifest['kind']} {fault.path}")
        if isinstance(verdict.refusal, QuotaExceededError):
            if not self.over_quota:
                self._quota(step, verdict.refusal)
        elif verdict.refusal is not None:
            self._found(Problem(self._plugin(step), verdict.refusal.code, verdict.refusal.message))

    def _refer(self, manifest: Manifest) -> None:
        service_context = self.rehearser.service_context
        for reference in references_of(manifest):
            made_already = bool(reference.namespace) and self.namespace.has(
                reference.resource.kind, reference.namespace, reference.name
            )
            if (
                reference.resource.namespaced and not made_already
            ):  # objects of the whole cluster can only be found with a cluster
                problem = missing_problem(reference, service_context.settings, self.context.pipeline.steps)
                if problem is not None:
                    self.rehearser.missing.append(f"{reference.resource.kind}/{reference.name}")
                    self._found(problem)

    def _quota(self, step: Step, error: QuotaExceededError) -> None:
        self.refused = self.over_quota = True
        setting = error.setting or f"{self._plugin(step)}.{error.facts['resource']}"
        self.rehearser.findings.add_quota(setting, error, self.candidate)

    def _found(self, problem: Problem, *, subject: str = "") -> None:
        self.refused |= problem.severity is Severity.REFUSAL
        self.rehearser.findings.add(problem, self.candidate, subject=subject)

    def _setting(self, step: Step, subject: str, path: str) -> str:
        settings, fields = self.rehearser.service_context.settings, StepView(self.context).spawn().fields
        return setting_path(settings.plugins, subject, first=self._origin(step), fields=fields, field=path)

    def _origin(self, step: Step) -> str:
        return self.rehearser.service_context.plugins.origin[step.name]

    def _plugin(self, step: Step) -> str:
        return f"plugins.{self._origin(step)}"
