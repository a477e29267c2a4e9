"""One container of a pod: its image, process, probes, restarts and end."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spawnpenny.embedded.api.times import timestamp
from spawnpenny.embedded.node.images import not_found
from spawnpenny.embedded.node.logs import Log, tail
from spawnpenny.embedded.node.orphans import CONTAINER, POD_UID, kill_processes
from spawnpenny.embedded.node.probes import Probe
from spawnpenny.embedded.node.processes import Grace, Process, Starter, finish
from spawnpenny.embedded.node.sources import MissingSourceError
from spawnpenny.embedded.node.status import ContainerView

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import aiohttp

    from spawnpenny.embedded.node.launch import Launch
    from spawnpenny.kubernetes.interface import Manifest

_BACK_OFF: Final = 10.0
_MAX_BACK_OFF: Final = 300.0
_RESET_AFTER: Final = 600.0
"""Seconds of a run after which the back-off starts again from zero."""
_PULL_SHOWN: Final = 1.0
_RETRY: Final = 1.0
_START_FAILED: Final = 128
_MESSAGE_BYTES: Final = 2048
_MESSAGE_FILE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Tools:
    """Tools shared by all containers of a node."""

    images: Mapping[str, Sequence[str]]
    starter: Starter
    session: aiohttp.ClientSession


@dataclass(frozen=True, slots=True)
class PodContext:
    """The pod of a container. ``publish`` is called after each change of its view."""

    manifest: Manifest
    tools: Tools
    grace: Grace
    prepare: Callable[[Manifest, Sequence[str]], Launch]
    publish: Callable[[], None]


class Container:
    """One container of a pod; ``view`` is its state."""

    def __init__(
        self,
        spec: Manifest,
        pod: PodContext,
        *,
        log: Path,
        policy: str,
        native: bool = False,
    ) -> None:
        self.view = ContainerView(spec["name"], spec["image"], native=native)
        self.started = asyncio.Event()
        self._spec = spec
        self._pod = pod.manifest
        self._tools = pod.tools
        self._log = log
        self._grace = pod.grace
        self._prepare = pod.prepare
        self._publish = pod.publish
        self._policy = policy

    async def run(self) -> int:
        """Run until no restart follows, and return the exit code; end the process when cancelled."""
        loop = asyncio.get_running_loop()
        delay = 0.0
        while True:
            launch = await self._wait_until_configured(await self._pull())
            started = loop.time()
            code = await self._run_once(launch)
            if self._policy == "Never" or (self._policy == "OnFailure" and code == 0):
                self.view.settled = True
                self._publish()
                return code
            if loop.time() - started > _RESET_AFTER:
                delay = 0.0
            await self._back_off(delay)
            delay = min(delay * 2 or _BACK_OFF, _MAX_BACK_OFF)
            self.view.restarts += 1

    async def _pull(self) -> Sequence[str]:
        """Return the command line of the image, once it is known."""
        image = self._spec["image"]
        delay = _BACK_OFF
        # A container with a command of its own needs nothing of the image, but on Kubernetes a wrong image is an
        # error all the same.
        while (argv := self._tools.images.get(image)) is None:
            self._wait("ErrImagePull", not_found(image, self._tools.images))
            await asyncio.sleep(_PULL_SHOWN)
            self._wait("ImagePullBackOff", f'Back-off pulling image "{image}"')
            await asyncio.sleep(delay)
            delay = min(delay * 2, _MAX_BACK_OFF)
        return argv

    async def _wait_until_configured(self, image: Sequence[str]) -> Launch:
        """Prepare the launch, once all objects that the container refers to exist."""
        while True:
            try:
                return self._prepare(self._spec, image)
            except MissingSourceError as error:
                self._wait("CreateContainerConfigError", str(error))
            await asyncio.sleep(_RETRY)

    async def _run_once(self, launch: Launch) -> int:
        log = Log(self._log)
        started = timestamp()
        try:
            process = await self._tools.starter.start(launch.argv, launch.env, launch.cwd, log)
        except OSError as error:
            await finish(log.close(patience=0))
            self._ended(_START_FAILED, started, "StartError", _not_started(launch.argv[0], error))
            return _START_FAILED
        except asyncio.CancelledError:
            await finish(log.close(patience=0))
            raise
        self.view.state = {"running": {"startedAt": started}}
        probing = asyncio.create_task(self._probe(process, launch))
        try:
            code = await asyncio.shield(process.ended)
        except asyncio.CancelledError:
            await process.end(self._grace)
            raise
        finally:
            await finish(self._clean_up(launch, log, probing))
            self._ended(process.ended.result(), started, message=_last_words(launch.message))
        return code

    async def _clean_up(self, launch: Launch, log: Log, probing: asyncio.Task[None]) -> None:
        """End processes that left the process group: a container lasts as long as its first process."""
        probing.cancel()
        await asyncio.wait({probing})
        await asyncio.to_thread(kill_processes, {name: launch.env[name] for name in (POD_UID, CONTAINER)})
        await log.close()

    async def _back_off(self, delay: float) -> None:
        self.view.last = self.view.state
        if delay:
            metadata = self._pod["metadata"]
            pod = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
            name = self.view.name
            self._wait("CrashLoopBackOff", f"back-off {delay:.0f}s restarting failed container={name} pod={pod}")
            await asyncio.sleep(delay)

    async def _probe(self, process: Process, launch: Launch) -> None:
        """Wait for the startup probe, then watch readiness and liveness."""
        probes = {
            part: self._make_probe(spec, launch)
            for part in ("startupProbe", "readinessProbe", "livenessProbe")
            if (spec := self._spec.get(part)) is not None
        }
        ready = "readinessProbe" not in probes
        running = asyncio.Event()

        def set_alive(alive: bool) -> None:
            if alive:
                running.set()
            else:
                # The restart policy applies, as after any other end.
                self._kill(process)

        if "startupProbe" not in probes:
            self._has_started(ready=ready)
        async with asyncio.TaskGroup() as group:
            if (startup := probes.get("startupProbe")) is not None:
                starting = group.create_task(startup.watch(set_alive))
                await running.wait()
                starting.cancel()
                self._has_started(ready=ready)
            if (readiness := probes.get("readinessProbe")) is not None:
                group.create_task(readiness.watch(self._set_ready))
            if (liveness := probes.get("livenessProbe")) is not None:
                group.create_task(liveness.watch(set_alive))

    def _make_probe(self, spec: Manifest, launch: Launch) -> Probe:
        async def run(command: list[str]) -> int:
            return await self._exec(launch.with_argv(command))

        return Probe(spec, self._spec, self._pod["status"]["podIP"], session=self._tools.session, run=run)

    async def _exec(self, launch: Launch) -> int:
        """Run another command in the container; its output is dropped."""
        log = Log(self._log.with_name(f"{self.view.name}.probe.log"))
        try:
            process = await self._tools.starter.start(launch.argv, launch.env, launch.cwd, log)
            try:
                return await asyncio.shield(process.ended)
            finally:
                process.signal(signal.SIGKILL)
                await finish(process.wait())
        finally:
            await finish(log.close(patience=0))

    def _kill(self, process: Process) -> None:
        grace = Grace()
        grace.begin(self._pod["spec"]["terminationGracePeriodSeconds"])
        process.signal(signal.SIGTERM)

        async def kill() -> None:
            await process.end(grace)
            grace.cancel()

        self._killing = asyncio.create_task(kill())

    def _has_started(self, *, ready: bool) -> None:
        self.view.started = True
        self.started.set()
        self._set_ready(ready)

    def _set_ready(self, ready: bool) -> None:
        self.view.ready = ready
        self._publish()

    def _wait(self, reason: str, message: str) -> None:
        self.view.ready = self.view.started = False
        self.view.state = {"waiting": {"reason": reason, "message": message}}
        self._publish()

    def _ended(self, code: int, started: str, reason: str = "", message: str = "") -> None:
        ended: Manifest = {
            "exitCode": code,
            "reason": reason or ("Error" if code else "Completed"),
            "startedAt": started,
            "finishedAt": timestamp(),
        }
        if not message and code and self._spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            message = tail(self._log, 80)[-_MESSAGE_BYTES:]
        if message:
            ended["message"] = message
        self.view.ready = self.view.started = False
        self.view.state = {"terminated": ended}
        self._publish()


def _last_words(file: Path | None) -> str:
    """Return what a program left in its message file, as far as the kubelet takes it."""
    if file is None or file.is_symlink() or not file.is_file():
        return ""
    with file.open("rb") as stream:
        return stream.read(_MESSAGE_FILE_BYTES).decode(errors="replace")


def _not_started(command: str, error: OSError) -> str:
    why = "executable file not found in $PATH" if isinstance(error, FileNotFoundError) else str(error.strerror)
    return f'failed to create containerd task: failed to create shim task: exec: "{command}": {why}: unknown'
