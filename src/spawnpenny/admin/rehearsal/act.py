"""One spawn rehearsed: accepted as the service accepts it, its objects made step by step and put on paper."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from spawnpenny.admin.rehearsal.findings import Findings
from spawnpenny.admin.rehearsal.masking import masked
from spawnpenny.admin.rehearsal.paper import Paper, Verdict
from spawnpenny.admin.rehearsal.pods import problems_of_pod
from spawnpenny.admin.rehearsal.provided import missing_problem
from spawnpenny.admin.rehearsal.references import references_of
from spawnpenny.admin.rehearsal.result import Problem, RehearsedSpawn, Unrehearsed, Weight
from spawnpenny.admin.rehearsal.sample import sample_request
from spawnpenny.admin.rehearsal.stage import NoClusterError, make_account
from spawnpenny.admin.rehearsal.where import place_of
from spawnpenny.cluster.models import ObjectTypes
from spawnpenny.domain.resources import Resources, total
from spawnpenny.domain.spawns import Key, Scale
from spawnpenny.errors import InvalidRequestError, PatchConflictError, QuotaExceededError, SpawnpennyError
from spawnpenny.identity import Identity
from spawnpenny.pipeline.container_limits import container_limits, limited
from spawnpenny.pipeline.labtokens import VARIABLE
from spawnpenny.pipeline.making import choose, draft
from spawnpenny.pipeline.patches import merge_patches

if TYPE_CHECKING:
    from spawnpenny.admin.rehearsal.case import Case
    from spawnpenny.cluster.models import Misfit
    from spawnpenny.cluster.port import Manifest
    from spawnpenny.domain.spawns import Caller
    from spawnpenny.pipeline.context import Context
    from spawnpenny.pipeline.spawn import Spawn
    from spawnpenny.pipeline.step import Step
    from spawnpenny.pipeline.world import World

T = TypeVar("T")
_NOBODY: Final = Identity("rehearsal", frozenset())
_MISREAD: Final = (AttributeError, KeyError, TypeError, ValueError)


@dataclass
class Act:
    """Rehearses spawns one after the other, each for a user who has nothing yet."""

    world: World
    findings: Findings
    unrehearsed: list[Unrehearsed] = field(default_factory=list)
    types: ObjectTypes = field(default_factory=ObjectTypes)

    def silent(self) -> Act:
        """Return one whose findings nobody hears."""
        return Act(self.world, Findings(), types=self.types)

    def play(self, case: Case, caller: Caller | None = None) -> RehearsedSpawn:
        """Rehearse one spawn; what speaks against it is added to the findings."""
        account, request = make_account(case.user), sample_request(case, caller)
        context = draft(self.world, account, Key(case.kind, case.name), request, identity=_NOBODY)
        context.run.record.id = "rehearsal"
        context.run.record.scale = Scale(count=1)  # a Dask cluster without room for one worker is of no use
        scene = _Scene(self, case, context)
        scene.accept()
        manifests = tuple(scene.make())
        return RehearsedSpawn(
            label=case.label,
            kind=case.kind,
            user=case.user.username,
            name=case.name,
            options=case.options,
            odd=case.odd,
            starts=not scene.refused,
            resources=context.run.record.asks,
            manifests=tuple(map(masked, manifests)),
        )


@dataclass
class _Scene:
    act: Act
    case: Case
    context: Context
    refused: bool = False
    over_quota: bool = False
    paper: Paper = field(default_factory=Paper)

    def accept(self) -> None:
        """Hold the request to what the service holds it to, but hear every step out."""
        record, steps = self.context.run.record, self.context.pipeline.steps
        try:
            choose(self.context)
        except InvalidRequestError as error:
            self._found(Problem("options", error.code, error.message))
            return
        if VARIABLE in record.request.env:  # one that is the same each time
            record.request = replace(record.request, env={**record.request.env, VARIABLE: "rehearsal"})
        spawn = replace(self.context.spawn(), _patch=self._patched())
        record.asks = total(self._of(step, partial(step.asks, spawn), Resources()) for step in steps)
        for step in steps:
            self._of(step, partial(step.check, self.context.spawn()), None)
        nothing: Mapping[str, str] = {}
        for step in steps:
            record.secrets |= self._of(step, partial(step.keeps, self.context.spawn()), nothing)

    def make(self) -> Iterator[Manifest]:
        """Yield what the steps make, each object held to the rules."""
        made: list[Manifest] = []
        nothing: Sequence[Manifest] = ()
        for step in self.context.pipeline.steps:
            seen = replace(self.context.seen_by(step), _patch=self._patched())
            for manifest in self._of(step, partial(step.makes, seen), nothing):
                marked = seen.cluster.marked(manifest)
                self._judge(step, marked)
                made.append(marked)
        for manifest in made:
            self._refer(manifest)
        yield from made

    def _of(self, step: Step, work: Callable[[], T], otherwise: T) -> T:
        try:
            return work()
        except NoClusterError:
            self.act.unrehearsed.append(Unrehearsed(step.name, "it looks at the cluster before it makes anything"))
        except QuotaExceededError as error:
            self._quota(step, error)
        except SpawnpennyError as error:
            self._found(Problem(self._plugin(step), error.code, error.message))
        except Exception as error:  # noqa: BLE001 - a plugin's mistake, which fails the spawn as well
            message = f"The step {step.name} of the plugin {self._origin(step)} failed: {type(error).__name__}: {error}"
            self._found(Problem(self._plugin(step), "step_failed", message))
        return otherwise

    def _patched(self) -> Callable[[Spawn, Manifest], Manifest]:
        """Return what merges the patches of all plugins, and tells every conflict where one spawn tells the first."""
        plugins, limits = self.act.world.plugins, container_limits(self.context.pipeline.steps)

        def patched(spawn: Spawn, pod: Manifest) -> Manifest:
            base = f"the {spawn.kind} plugin"
            for patch in plugins.pod_patches(spawn, copy.deepcopy(pod)):
                try:
                    pod = merge_patches(pod, [patch], base=base)
                except PatchConflictError as error:
                    self._found(Problem(f"plugins.{patch[0]}", error.code, error.message))
            return limited(pod, limits)

        return patched

    def _judge(self, step: Step, manifest: Manifest) -> None:
        settings = self.act.world.settings
        misfits = list(self.act.types.misfits(manifest))
        for misfit in misfits:
            self._misfit(step, manifest, misfit)
        sound = all(each.unknown for each in misfits)
        # The other rules read fields that may not be what they have to be: then they say what they can.
        with suppress(*(() if sound else _MISREAD)):
            for problem in problems_of_pod(manifest, settings) if manifest["kind"] == "Pod" else ():
                self._found(problem)
        if sound:
            self._verdict(step, manifest, self.paper.create(manifest))

    def _misfit(self, step: Step, manifest: Manifest, misfit: Misfit) -> None:
        place = self._place(step, misfit.subject)
        message = f"In the {manifest['kind']} of the step {step.name}, {misfit.path or 'the whole'} {misfit.message}."
        weight = Weight.WARNING if misfit.unknown else Weight.REFUSAL
        self._found(Problem(place, "cluster_invalid_object", message, weight=weight), subject=misfit.path)

    def _verdict(self, step: Step, manifest: Manifest, verdict: Verdict) -> None:
        what = f"{manifest['kind']} of the step {step.name}"
        for faults, code, why in (
            (verdict.faults, "cluster_invalid_object", ""),
            (verdict.beside_range, "limit_range", ", with the limits that the quota gives to containers without any"),
        ):
            for fault in faults:
                place = self._place(step, fault.subject)
                message = f"Kubernetes does not take the {what}: {fault}{why}."
                self._found(Problem(place, code, message), subject=f"{manifest['kind']} {fault.path}")
        if isinstance(verdict.refusal, QuotaExceededError):
            if not self.over_quota:
                self._quota(step, verdict.refusal)
        elif verdict.refusal is not None:
            self._found(Problem(self._plugin(step), verdict.refusal.code, verdict.refusal.message))

    def _refer(self, manifest: Manifest) -> None:
        world = self.act.world
        for each in references_of(manifest):
            there = bool(each.namespace) and self.paper.has(each.resource.kind, each.namespace, each.name)
            if each.resource.namespaced and not there:  # of what the whole cluster shares, only a cluster can tell
                problem = missing_problem(each, world.settings, self.context.pipeline.steps)
                if problem is not None:
                    self._found(problem)

    def _quota(self, step: Step, error: QuotaExceededError) -> None:
        self.refused = self.over_quota = True
        setting = error.setting or f"{self._plugin(step)}.{error.facts['resource']}"
        self.act.findings.add_quota(setting, error, self.case)

    def _found(self, problem: Problem, *, subject: str = "") -> None:
        self.refused |= problem.weight is Weight.REFUSAL
        self.act.findings.add(problem, self.case, subject=subject)

    def _place(self, step: Step, subject: str) -> str:
        settings, fields = self.act.world.settings, self.context.spawn().fields
        return place_of(settings.plugins, subject, first=self._origin(step), fields=fields)

    def _origin(self, step: Step) -> str:
        return self.act.world.plugins.origin[step.name]

    def _plugin(self, step: Step) -> str:
        return f"plugins.{self._origin(step)}"
