"""Errors of pods that do not start or have ended. They become the reason of a spawn, which its user reads."""

from __future__ import annotations

from spawnpenny.errors import SpawnError


class ImageError(SpawnError):
    code = "image_unavailable"
    title = "The image cannot be pulled"


class CrashError(SpawnError):
    code = "pod_crashed"
    title = "The program in the pod ended by itself"


class ProgramEndedError(CrashError):
    """The program ended with exit code 0: its user shut it down, or it had nothing more to do."""

    code = "program_ended"
    title = "The program has ended"


class OutOfMemoryError(CrashError):
    code = "out_of_memory"
    title = "The program used more memory than it may"


class HookFailedError(CrashError):
    """The container was ended because its ``postStart`` hook failed, whatever exit code its program had then."""

    code = "lifecycle_hook_failed"
    title = "The lab's start hook failed"


class PodConfigError(SpawnError):
    code = "pod_config_invalid"
    title = "The pod cannot be made as it is configured"


class ContainerWaitingError(SpawnError):
    """A container waits for a reason of the cluster that spawnpenny does not know."""

    code = "container_waiting"
    title = "A container does not start"


class PodSetupError(SpawnError):
    """The machine cannot set the pod up: its network, its sandbox."""

    code = "pod_setup_failed"
    title = "The machine cannot set the pod up"


class VolumeUnavailableError(SpawnError):
    """A volume is not bound, not attached, not mounted, or on machines where the pod may not run."""

    code = "volume_unavailable"
    title = "Storage that it needs is not available"


class UnschedulableError(SpawnError):
    code = "unschedulable"
    title = "No machine has room"


class NoMatchingNodeError(SpawnError):
    code = "no_matching_node"
    title = "No machine is of the kind that is asked for"


class UntoleratedTaintError(SpawnError):
    code = "untolerated_taint"
    title = "All machines are kept for something else"


class NodeLimitError(SpawnError):
    """Every machine has as many pods or volumes as it may."""

    code = "node_limit_reached"
    title = "All machines have as many pods or volumes as they may"


class SchedulingGatedError(SpawnError):
    """A scheduling gate holds the pod back, such as that of a queue in the cluster."""

    code = "scheduling_gated"
    title = "The cluster holds it back"


class PodGoneError(SpawnError):
    code = "pod_gone"
    title = "The pod was deleted from outside"


class PodEvictedError(SpawnError):
    code = "pod_evicted"
    title = "Its machine put it out"


class PodPreemptedError(SpawnError):
    code = "pod_preempted"
    title = "It had to make room for something more important"


class NodeLostError(SpawnError):
    code = "node_lost"
    title = "Its machine does not answer"


class NodeShutdownError(SpawnError):
    code = "node_shutdown"
    title = "Its machine was shut down"


class PodRejectedError(SpawnError):
    """The kubelet refused a pod that the scheduler gave it."""

    code = "pod_rejected"
    title = "The machine refused it"


class PodExpiredError(SpawnError):
    code = "pod_expired"
    title = "It ran as long as it may"


class PodEndedError(SpawnError):
    """The cluster ended the pod for a reason that spawnpenny does not know."""

    code = "pod_ended"
    title = "The cluster ended it"
