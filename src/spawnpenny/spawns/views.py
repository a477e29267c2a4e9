"""Build the steps' view of a record: the spawn, and the cluster interface of each step."""

from __future__ import annotations

import asyncio
import copy
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Unpack
from urllib.parse import urlsplit

import structlog

from spawnpenny.auth.lab_tokens import token_hash
from spawnpenny.domain import labels
from spawnpenny.domain.events import About, EventType, Severity
from spawnpenny.domain.hashes import content_hash
from spawnpenny.domain.names import Names
from spawnpenny.domain.resources import Resources, total
from spawnpenny.domain.spawns import Key, Kind, Scale, StepProgress, StepState
from spawnpenny.domain.worker_groups import group_names
from spawnpenny.errors import QuotaExceededError, SpawnError, SpawnpennyError
from spawnpenny.kubernetes.errors import ClusterForbiddenError
from spawnpenny.kubernetes.interface import Manifest, Ref
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.kubernetes.pods import status as pod_status
from spawnpenny.pipeline.dependencies import Dependencies
from spawnpenny.pipeline.order import Ordered
from spawnpenny.pipeline.ownership_labels import OwnershipLabels
from spawnpenny.pipeline.pod_hardening import check_pod
from spawnpenny.pipeline.pod_patches import merge_patches
from spawnpenny.pipeline.runner import Runner
from spawnpenny.pipeline.spawn import PlannedSpawn, Spawn, SpawnCallbacks
from spawnpenny.pipeline.step import Step
from spawnpenny.pipeline.step_cluster import StepCluster
from spawnpenny.spawns.active import ActiveSpawn, HeldBack
from spawnpenny.spawns.container_limits import container_limits, limited
from spawnpenny.spawns.record import Applied, Replaced
from spawnpenny.spawns.room import describe, ending, room_of
from spawnpenny.spawns.scaling import Fitted, fit, fit_maximum
from spawnpenny.spawns.scrub import Scrubber
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.start_queue import Permit
from spawnpenny.spawns.supervision import supervising_steps
from spawnpenny.spawns.user_state import UserState

_IDLE: Final = 60.0
"""Seconds after which it is noted that a spawn has nothing to do: each note is a write of the record."""


@dataclass(frozen=True)
class Context:
    """One spawn of one user, seen from the pipeline."""

    service_context: ServiceContext
    user_state: UserState
    run: ActiveSpawn

    @property
    def pipeline(self) -> Ordered:
        return self.service_context.plugins.pipelines[self.run.record.key.kind]

    @property
    def names(self) -> Names:
        key = self.run.record.key
        return Names.of(
            self.user_state.username, key.kind, key.name, prefix=self.service_context.settings.namespaces.prefix
        )

    def spawn(self, mark: str | None = None) -> PlannedSpawn:
        """Return the spawn as its steps see it before it has a cluster."""
        record = self.run.record
        return PlannedSpawn(
            id=mark or record.id,
            kind=record.key.kind,
            name=record.key.name,
            user=self.user_state.record.user,
            names=self.names,
            options=record.options,
            env=record.request.env,
            resources=record.resources,
            resources_in_use=self.user_state.record.resources_in_use(but=record.key),
            _patch=self._patch,
            _notify=self.notify,
            _publish_url=self._publish_url,
            tls=record.request.tls,
            _service_host=self._service_host,
            _overrides=self._overrides,
            secrets=record.secrets,
            caller=record.request.caller,
            _callbacks=SpawnCallbacks(
                self._scale,
                self._resize,
                self.run.changes.reader(),
                self._lab_runs,
                self._blocked,
                note_idle=self._note_idle,
                hold_back=self._hold_back,
                events=self.run.record.log.since,
                scrub=self.scrub,
            ),
        )

    def runner(self, replaced: Replaced | None = None, permit: Permit | None = None) -> Runner:
        """Return what runs the steps of this spawn, or takes away one that it replaces.

        ``permit`` is given back when the steps only wait.
        """
        mark = replaced.id if replaced else self.run.record.id
        port = self._ports(replaced, permit)
        return Runner(
            self.pipeline,
            self.spawn(mark),
            port=port,
            shared=SharedSteps(self),
            report=self._report if replaced is None else _silent,
            scrub=self.scrub,
            step_deadline=self.service_context.settings.deadlines.step,
        )

    def retiring(self) -> Iterator[tuple[Step, Spawn]]:
        """Yield what all spawns of the user share, the last step first, and the spawn as each step sees it."""
        pipelines, seen, port = self.service_context.plugins.pipelines, set[str](), self._ports()
        for kind in (Kind.DASK, Kind.LAB, Kind.USER):
            for step in reversed(pipelines[kind].steps):
                if step.scope == "user" and step.name not in seen:
                    seen.add(step.name)
                    yield step, Spawn.of(self.spawn(), port(step))

    def purging(self) -> Iterator[tuple[Step, Spawn]]:
        """Yield all steps, the last one first, and the spawn as each sees it."""
        port = self._ports()
        for step in reversed(self.pipeline.steps):
            yield step, Spawn.of(self.spawn(), port(step))

    def _ports(self, replaced: Replaced | None = None, permit: Permit | None = None) -> Callable[[Step], StepCluster]:
        record, user = self.run.record, self.user_state.record.user
        marks = OwnershipLabels(
            installation=self.service_context.settings.installation,
            username=user.username,
            kind=record.key.kind,
            spawn=replaced.id if replaced else record.id,
            names=self.names,
            uids=replaced.uids if replaced else record.uids,
            origin=self._origin(),
            token=token_hash(record.request.env),
        )
        dependencies = Dependencies(
            cluster=self.service_context.cluster,
            pods=self.service_context.pods,
            broker=self.service_context.broker,
            notify=self.notify,
            suspect=self._suspect,
            notice=self.notice,
            claimed=self._claimed,
            namespace=self._namespace_uid,
            waits=permit.give_back if permit else lambda: None,
            scrub=self.scrub,
            slow=self.service_context.settings.deadlines.slow,
            event_reads=self.service_context.told,
        )
        return lambda step: StepCluster(step, marks, dependencies, user)

    def seen_by(self, step: Step) -> Spawn:
        """Return the spawn as one step sees it while it is applied."""
        return Spawn.of(self.spawn(), self._ports()(step))

    def supervising(self) -> list[tuple[Step, Spawn]]:
        """Return the steps that look after the running spawn, and the spawn as each sees it."""
        port = self._ports()  # and a spawn each: what is news to one step is so to the others, too
        return [(step, Spawn.of(self.spawn(), port(step))) for step in supervising_steps(self.pipeline)]

    def resources(self) -> Resources:
        """Return what the spawn will use of the user's budget, of all its steps together."""
        return self._asked(self.spawn())

    def _asked(self, spawn: PlannedSpawn) -> Resources:
        return total(step.resources(spawn) for step in self.pipeline.steps)

    def blocking(self) -> list[ActiveSpawn]:
        """Return the user's spawns that are ending and have to be gone before all that this one asks for fits."""
        runs = ending(self.user_state, but=self.run)
        if not runs:
            return []
        spawn = self.spawn()
        spawn = replace(spawn, resources_in_use=spawn.resources_in_use + room_of(runs))
        try:
            for step in self.pipeline.steps:
                step.check(spawn)
        except SpawnpennyError:
            return runs
        return []

    def _blocked(self) -> str | None:
        runs = self.blocking()
        return describe(runs) if runs else None

    def fit(self, wanted: Scale) -> Fitted:
        """Return what of a scale fits into the user's budget, by all steps' own checks; fewer than now always do."""
        now = self.run.record.scale
        bounded = fit_maximum(wanted, now=now, refusal=lambda scale: self._refusal(scale, resources_in_use=Resources()))
        fitted = fit(bounded.scale, now=now, refusal=self._refusal)
        return Fitted(fitted.scale, fitted.refusal or bounded.refusal)

    def demand_useful(self) -> None:
        """Refuse a Dask cluster that could never have a worker, whatever else its user stops.

        Raises:
            QuotaExceededError: What one worker and the scheduler ask for, and the limit.

        """
        if self.run.record.key.kind is not Kind.DASK:
            return
        groups = group_names(self.service_context.plugins.worker_groups())
        refusals = (self._refusal(Scale().resized(group, 1), resources_in_use=Resources()) for group in groups)
        first = next(refusals)
        if first is not None and all(refusal is not None for refusal in refusals):
            raise first

    def _refusal(self, scale: Scale, *, resources_in_use: Resources | None = None) -> QuotaExceededError | None:
        """Return why a scale does not fit beside ``resources_in_use`` of other spawns (None: as it is)."""
        spawn = replace(self.spawn(), _callbacks=SpawnCallbacks(lambda: scale))
        spawn = replace(
            spawn,
            resources=self._asked(spawn),
            resources_in_use=spawn.resources_in_use if resources_in_use is None else resources_in_use,
        )
        try:
            for step in self.pipeline.steps:
                step.check(spawn)
        except QuotaExceededError as error:
            return error
        return None

    def count(self, scale: Scale) -> None:
        """Note the new scale of the spawn, and the resources that it uses so; its supervisor is notified later."""
        self.run.record.scale = scale
        self.run.record.resources = self._asked(replace(self.spawn(), _callbacks=SpawnCallbacks(lambda: scale)))

    def pod(self) -> Manifest | None:
        """Return the pod whose end is the end of the spawn, as the cache has it."""
        ref = self.pod_ref()
        pod = self.service_context.pods.get(ref.namespace, ref.name) if ref else None
        return pod if pod is not None and pod["metadata"]["uid"] == self.run.record.pod else None

    def pods_of(self, mark: str) -> list[Manifest]:
        """Return the pods with a spawn's mark from the cache."""
        found = self.service_context.pods.within(self.names.namespace)
        return [pod for pod in found if pod["metadata"].get("labels", {}).get(labels.SPAWN) == mark]

    def pod_ref(self) -> Ref | None:
        """Refer to that pod, where there is one yet."""
        for place, uid in self.run.record.uids.items():
            kind, _, name = place.partition("/")
            if kind == "Pod" and uid == self.run.record.pod:
                return Ref(resource_of("Pod"), name, self.names.namespace)
        return None

    def went_with_the_namespace(self, error: BaseException) -> bool:
        """Return whether a refusal means that the namespace is gone: our right to ask about it goes with it."""
        namespace = self.service_context.namespaces.get(None, self.names.namespace)
        return namespace is None and isinstance(error, ClusterForbiddenError)

    def url(self, pod: Manifest) -> str | None:
        """Return where what runs in a Ready pod of the spawn is reached, as its steps say."""
        spawn = self.spawn()
        return next((url for step in self.pipeline.steps if (url := step.url(spawn, pod)) is not None), None)

    def new_url(self) -> str | None:
        """Return where the running spawn is reached by now, where its pod is ready at another address than before."""
        pod, url = self.pod(), self.run.record.url
        if pod is None or url is None or not pod_status.is_ready(pod) or _is_host(pod["status"].get("podIP"), url):
            return None
        try:
            found = self.url(pod)
        except Exception:
            log = structlog.get_logger("spawnpenny.spawn").bind(spawn=self.run.record.id)
            log.warning("it cannot be seen where a pod is reached", exc_info=True)
            return None
        return found if found != url else None

    def follow(self) -> bool:
        """Adopt a new address of the running spawn's pod, and inform the user; return whether it has one."""
        url = self.new_url()
        if url is None:
            return False
        self.run.record.url = url
        self.emit(EventType.INFO, f"Its pod has another address now. It is reached at {url}.")
        return True

    def scrub(self, text: str) -> str:
        """Take the caller's secrets out of a text; the name of its user, which Hubs send as a variable, is none."""
        secrets = frozenset(self.run.record.hidden) - {self.user_state.username}
        if self.run.scrubber.secrets != secrets:
            self.run.scrubber = Scrubber(secrets)
        return self.run.scrubber(text)

    def notify(self, message: str, severity: Severity = Severity.NORMAL, code: str | None = None) -> None:
        """Send the user a message, unless it is the same as the last."""
        message = self.scrub(message)
        if message != self.run.waiting_for:
            self.run.waiting_for = message
            shown = severity if severity is Severity.WARNING else None
            self.emit(EventType.INFO, message, severity=shown, code=code)

    def notice(self, pod: Manifest) -> None:
        """Warn of containers beside the program that are in trouble: once of each, as they decide nothing."""
        for container, error in pod_status.side_troubles(pod):
            about = f"{container}: {error.code}"
            if about not in self.run.warned:
                self.run.warned.add(about)
                message = self.scrub(f"{error.message} It only runs beside the program.")
                self.emit(EventType.INFO, message, severity=Severity.WARNING)

    def emit(self, type_: EventType, message: str, **about: Unpack[About]) -> None:
        about.setdefault("progress", self.run.record.progress)
        event = self.run.add_event(type_, message, **about)
        self.service_context.plugins.observe(self.user_state.username, self.run.record.key, event)

    def _origin(self) -> str:
        record = self.run.record
        origin = {
            "key": str(record.key),
            "start": record.request.start,
            "options": record.request.options,
            "by": record.by,
            **({"own": True} if record.own else {}),
            **({"client": record.request.client} if record.request.client else {}),
            **({"caller": asdict(record.request.caller)} if record.request.caller else {}),
            "user": self.user_state.record.user.dossier(),
            "commissioned": self.user_state.record.commissioned,
            "vouched": self.user_state.record.uid_verified,
        }
        return json.dumps(origin, ensure_ascii=False, sort_keys=True)

    def _overrides(self, spawn: PlannedSpawn) -> list[tuple[str, Mapping[str, Any]]]:
        return self.service_context.plugins.cluster_overrides(spawn.user, dict(spawn.options))

    def _patch(self, spawn: PlannedSpawn, pod: Manifest) -> Manifest:
        pods = self.service_context.settings.pods
        merged = merge_patches(
            pod, self.service_context.plugins.pod_patches(spawn, copy.deepcopy(pod)), base=f"the {spawn.kind} plugin"
        )
        merged = limited(merged, container_limits(self.pipeline.steps))
        check_pod(
            merged,
            allowed=pods.allow,
            images=pods.images,
            host_paths=pods.host_paths,
            broker=self.service_context.settings.broker,
        )
        return merged

    def _scale(self) -> Scale:
        return self.run.standing or self.run.record.scale

    def _resize(self, count: int) -> int:
        if self.run.standing is not None:
            return self.run.standing.count
        scale = self.run.record.scale.held(count)
        if scale.count != self.run.record.scale.count:
            self.count(replace(scale, count=self.fit(scale).scale.count))
        return self.run.record.scale.count

    def _lab_runs(self) -> bool:
        caller = self.run.record.request.caller
        lab = self.user_state.runs.get(Key(Kind.LAB, caller.lab)) if caller else None
        return lab is not None and caller is not None and lab.record.id == caller.spawn and lab.record.active

    async def _note_idle(self, seconds: float | None) -> None:
        """Note it where it begins to matter and where it ends, in the record: other replicas list the spawn, too."""
        record = self.run.record
        idle = seconds is not None and seconds >= _IDLE
        if idle == (record.idle_since is not None):
            return
        before, record.idle_since = record.idle_since, time.time() - (seconds or 0.0) if idle else None
        try:
            async with self.user_state.lock:
                self.user_state.demand_here()
                await self.service_context.store.save(self.user_state.record)
        except SpawnpennyError:
            record.idle_since = before  # so that it is noted the next time: a busy cluster must not pass for idle

    def _hold_back(self, why: SpawnpennyError | str | None, until: float | None) -> None:
        if isinstance(why, SpawnpennyError):
            self.run.held_back = HeldBack(why.message, why.code, until)
        else:
            self.run.held_back = HeldBack(why, until=until) if why else None

    def _service_host(self, name: str) -> str:
        return self.service_context.cluster.service_host(self.names.namespace, name)

    def _publish_url(self, url: str, pod: str) -> None:
        self.run.record.url, self.run.record.pod = url, pod

    def _suspect(self, trouble: SpawnError | None) -> None:
        self.run.trouble = trouble

    def _claimed(self, uid: str) -> None:
        self.user_state.record.namespace = uid

    def _namespace_uid(self) -> str:
        """Return the uid of the user's namespace, also of one that the record does not know, or knows no more."""
        existing = self.service_context.namespaces.get(None, self.names.namespace)
        return str(existing["metadata"]["uid"]) if existing is not None else self.user_state.record.namespace

    def _report(self, name: str, state: StepState, seconds: float | None) -> None:
        progress = next((step for step in self.run.record.steps if step.name == name), None)
        if progress is None:
            progress = StepProgress(name)
            self.run.record.steps.append(progress)
        progress.state = state
        if seconds is not None:
            progress.seconds = seconds = round(seconds, 3)
        took = f" in {seconds:.2f} s" if seconds is not None and state is StepState.DONE else ""
        severity = Severity.WARNING if state is StepState.FAILED else None
        self.emit(EventType.STEP, f"{name}: {state}{took}", step=name, state=state, seconds=seconds, severity=severity)


@dataclass(frozen=True)
class SharedSteps:
    """The ``user`` steps of a user state that are as they should be."""

    context: Context

    def lock(self, step: Step) -> asyncio.Lock:
        return self.context.user_state.step_lock(step.name)

    def desired_hash(self, step: Step, spawn: Spawn) -> str:
        return content_hash(step.fingerprint(spawn))

    def begin(self, step: Step) -> None:
        self.context.user_state.record.applied.pop(step.name, None)

    def current(self, step: Step, desired: str) -> bool:
        applied = self.context.user_state.record.applied.get(step.name)
        if applied is None or applied.hash != desired:
            return False
        if not self.context.pipeline.in_namespace(step):
            return True
        return applied.namespace == self.context.user_state.record.namespace and self._namespace_stands(
            applied.namespace
        )

    def applied(self, step: Step, desired: str) -> None:
        record = self.context.user_state.record
        namespace = record.namespace if self.context.pipeline.in_namespace(step) else ""
        record.applied[step.name] = Applied(desired, namespace)

    def _namespace_stands(self, uid: str) -> bool:
        namespace = self.context.service_context.namespaces.get(None, self.context.names.namespace)
        return (
            namespace is not None
            and namespace["metadata"]["uid"] == uid
            and "deletionTimestamp" not in namespace["metadata"]
        )


def _is_host(address: str | None, url: str) -> bool:
    """Say whether a URL leads to an address; also where there is no address to compare."""
    if not address:
        return True
    try:
        return urlsplit(url).hostname == address.lower()
    except ValueError:
        return False


def _silent(name: str, state: StepState, seconds: float | None) -> None:
    """Report nothing: the steps of a replaced spawn are not this one's progress."""
