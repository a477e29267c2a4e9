"""Every error that spawnpenny words itself, with its stable code.

An error is a class with a ``code`` (what programs compare), a ``status`` (the HTTP status of the problem document) and
facts. ``str(error)`` is one sentence that a person can act on; it never carries a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping


class SpawnpennyError(Exception):
    """The base of all coded errors.

    ``facts`` are further members of the problem document (RFC 9457, section 3.2). ``advice`` is what its reader can do,
    where the general advice for the code (``domain.advice``) does not fit.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong in spawnpenny"

    def __init__(self, message: str, *, advice: str | None = None, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.facts: Mapping[str, Any] = facts

    @property
    def retry_after(self) -> int | None:
        """Seconds after which the same request may go through, where that is known."""
        value = self.facts.get("retry_after")
        return value if isinstance(value, int) else None


# Settings and plugins: the service does not start.


class SettingsError(SpawnpennyError):
    """A setting is wrong; the message names it, says where it stands and what would be right."""

    code = "settings_invalid"
    title = "The settings are not valid"


class PluginError(SpawnpennyError):
    """A plugin is missing, misspelt, broken, or its steps do not fit together."""

    code = "plugin_invalid"
    title = "The plugins do not fit together"


class UndeclaredCallError(SpawnpennyError):
    """A step asked the cluster for something that its ``permissions`` do not declare."""

    code = "undeclared_call"
    title = "A plugin used a right that it does not declare"

    def __init__(self, step: str, verb: str, plural: str) -> None:
        super().__init__(
            f"The step {step!r} tried to {verb} {plural} without declaring it: "
            f"add allow({verb!r}, on={plural!r}) to its permissions.",
            step=step,
        )


# Bad requests.


class InvalidRequestError(SpawnpennyError):
    """The request cannot be understood; ``errors`` lists each field with what would be right."""

    code = "request_invalid"
    status = 422
    title = "The request is not valid"

    def __init__(self, message: str, *, field: str | None = None, **facts: Any) -> None:
        if field is not None:
            facts["errors"] = [{"field": field, "message": message}]
        super().__init__(message, **facts)


class UnknownExpectationError(SpawnpennyError):
    """The header Expect asks for something that HTTP does not know."""

    code = "expectation_unknown"
    status = 417
    title = "The expectation cannot be met"

    def __init__(self) -> None:
        super().__init__("The header Expect can only be 100-continue. Send that, or leave it out.")


class MalformedRequestError(SpawnpennyError):
    """The bytes are no HTTP request that can be understood."""

    code = "request_malformed"
    status = 400
    title = "The request cannot be understood"


class MalformedBodyError(InvalidRequestError):
    code = "body_malformed"
    status = 400
    title = "The body is not JSON"


class BodyTooLargeError(InvalidRequestError):
    code = "body_too_large"
    status = 413
    title = "The body is too large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body is larger than the {limit} bytes that are taken.", limit=limit)


class InvalidNameError(InvalidRequestError):
    """Refuse the name of a user, lab or Dask cluster. ``message`` says which rule it breaks."""

    code = "name_invalid"
    title = "The name is not valid"


class UnknownOptionError(InvalidRequestError):
    """Refuse an option that does not exist. ``field`` names it; ``message`` says which options exist."""

    code = "option_unknown"
    title = "There is no such option"


class InvalidOptionError(InvalidRequestError):
    """Refuse the value of an option. ``field`` names it; ``message`` says what would be right."""

    code = "option_invalid"
    title = "The option is not valid"


class TlsUnsupportedError(InvalidRequestError):
    """Nothing that the pipeline makes is reached by TLS."""

    code = "tls_unsupported"
    title = "Labs are not given certificates here"

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"This service gives no {kind} a certificate of its own. "
            "An administrator opens it by the setting plugins.lab.internal_ssl.",
            field="tls",
        )


class NoSuchRouteError(SpawnpennyError):
    code = "route_not_found"
    status = 404
    title = "There is no such route"


class MethodNotAllowedError(SpawnpennyError):
    code = "method_not_allowed"
    status = 405
    title = "The route does not take this method"


# Who asks.


class UnauthenticatedError(SpawnpennyError):
    """Refuse credentials that are missing, expired or not known. An authenticator raises it for its own credentials."""

    code = "unauthenticated"
    status = 401
    title = "Credentials are missing or not known"


class ForbiddenError(SpawnpennyError):
    """Refuse a request that the scopes of a known identity do not allow."""

    code = "forbidden"
    status = 403
    title = "The credentials do not allow this"


# Labs and users.


class LabNotFoundError(SpawnpennyError):
    code = "lab_not_found"
    status = 404
    title = "There is no such lab"

    def __init__(self, username: str, lab: str) -> None:
        super().__init__(f"{username} has no lab {lab!r}.", user=username, lab=lab)


class DaskNotFoundError(SpawnpennyError):
    code = "dask_not_found"
    status = 404
    title = "There is no such Dask cluster"

    def __init__(self, username: str, cluster: str) -> None:
        super().__init__(
            f"Cluster {cluster} not found: {username} has no Dask cluster of that name, or no more.",
            user=username,
            cluster=cluster,
        )


class UnknownTicketError(SpawnpennyError):
    """A ticket for a dashboard is not known (any more)."""

    code = "ticket_unknown"
    status = 404
    title = "The ticket is not good"

    def __init__(self) -> None:
        super().__init__("The ticket is not known, or was used. A new report of the cluster has a new one.")


class UserNotFoundError(SpawnpennyError):
    code = "user_not_found"
    status = 404
    title = "There is no such user"

    def __init__(self, username: str) -> None:
        super().__init__(f"Nothing is known of a user {username!r}.", user=username)


class StartConflictError(SpawnpennyError):
    """Another start of the same lab is there."""

    code = "start_conflict"
    status = 409
    title = "Another start of this lab is there"


class ForeignStartError(SpawnpennyError):
    """Another caller started what would be replaced; ``facts`` carry by, client, start and phase."""

    code = "foreign_start"
    status = 409
    title = "Another caller started this lab"


class SpawnNotRunningError(SpawnpennyError):
    """The request needs a spawn that runs or comes up."""

    code = "not_running"
    status = 409
    title = "It does not run"


class NameCollisionError(SpawnpennyError):
    """Two names come to the same Kubernetes name."""

    code = "name_collision"
    status = 409
    title = "The name collides with another one"

    def __init__(self, name: str, slug: str, *, what: str = "another user's name") -> None:
        super().__init__(
            f"The name {name!r} comes to the same Kubernetes name as {what} ({slug}). Another name has to be chosen.",
            slug=slug,
        )


class UserConflictError(SpawnpennyError):
    """A known user's uid would change without the right to commission, or another dossier is under way."""

    code = "user_conflict"
    status = 409
    title = "The user is known otherwise"


class QuotaExceededError(SpawnpennyError):
    """The request does not fit into the quota; ``facts`` carry resource, asked, used and limit.

    ``setting`` is where an administrator raises the limit, such as ``plugins.quota.memory``; callers do not see it.
    """

    code = "quota_exceeded"
    status = 403
    title = "That is more than the quota allows"

    def __init__(
        self, resource: str, *, asked: str, used: str, limit: str, setting: str = "", advice: str | None = None
    ) -> None:
        self.setting = setting
        super().__init__(
            f"Not enough {resource} left in the quota: asked {asked}, in use {used}, limit {limit}.",
            advice=advice,
            resource=resource,
            asked=asked,
            used=used,
            limit=limit,
        )


class TooManySpawnsError(SpawnpennyError):
    code = "too_many_spawns"
    status = 429
    title = "Too many at once"


class NotReadyError(SpawnpennyError):
    """The service does not know the cluster's state yet: not known is not the same as not running."""

    code = "not_ready"
    status = 503
    title = "The service is not ready yet"

    def __init__(self, message: str = "The state of the cluster is not known yet.", *, retry_after: int = 2) -> None:
        super().__init__(message, retry_after=retry_after)


class ElsewhereError(NotReadyError):
    """Another replica looks after this user; ``address`` is where that one is reached, where it is known."""

    code = "elsewhere"
    title = "Another replica looks after this user"

    def __init__(self, address: str | None) -> None:
        super().__init__("Another replica looks after this user; try again.", retry_after=1)
        self.address = address


class BodyTimeoutError(SpawnpennyError):
    """The body of a request did not arrive in time."""

    code = "body_timeout"
    status = 408
    title = "The body did not arrive in time"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The body did not arrive within {seconds} seconds. Send it again.")


class TooManyRequestsError(SpawnpennyError):
    """The request exceeds the limits; ``retry_after`` says when to come back."""

    code = "too_many_requests"
    status = 429
    title = "Too many requests"


# Why a spawn failed: these reach the notebook user as its reason.


class SpawnError(SpawnpennyError):
    """A spawn failed for a reason that its user may read."""

    code = "spawn_failed"
    status = 502
    title = "The spawn failed"


class ImageError(SpawnError):
    code = "image_unavailable"
    title = "The image cannot be pulled"


class CrashError(SpawnError):
    code = "pod_crashed"
    title = "The program in the pod ended by itself"


class ProgramEndedError(CrashError):
    """The program ended with exit code 0: somebody shut it down from inside, or it had nothing more to do."""

    code = "program_ended"
    title = "The program has ended"


class OutOfMemoryError(CrashError):
    code = "out_of_memory"
    title = "The program used more memory than it may"


class HookFailedError(CrashError):
    """The container was ended because its ``postStart`` hook failed: how its program ended then says nothing."""

    code = "lifecycle_hook_failed"
    title = "The lab's start hook failed"


class PodConfigError(SpawnError):
    code = "pod_config_invalid"
    title = "The pod cannot be made as it is configured"


class ContainerWaitingError(SpawnError):
    """A container waits for a reason of the cluster's that spawnpenny does not know."""

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
    """A scheduling gate holds the pod back, as a queue of the cluster's does until it is the pod's turn."""

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


class PodStuckError(SpawnError):
    """A pod that was deleted does not go, and holds up what comes after it."""

    code = "pod_stuck"
    title = "What was there before does not go"


class DeadlineError(SpawnError):
    code = "deadline_exceeded"
    title = "It took too long"


class ProvisionError(SpawnError):
    """Fail a spawn because its user could not be provisioned. ``message`` says what the user can do."""

    code = "provision_failed"
    title = "The user's provisioning failed"


class NotOursError(SpawnError):
    """An object of that name exists and is not this spawn's."""

    code = "not_ours"
    title = "Something else has this name"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} exists already and does not belong to this spawn, so it was left alone. "
            "An administrator has to look at it."
        )


class PatchConflictError(SpawnError):
    code = "pod_patch_conflict"
    title = "Two plugins disagree about the pod"


class HardeningError(SpawnError):
    code = "pod_not_hardened"
    title = "The pod asks for more than the settings open"


class StepFailedError(SpawnError):
    """A step failed in a way that it does not explain itself; the log has the cause under the spawn's id."""

    code = "step_failed"
    title = "A step failed"


class PurgeConflictError(SpawnpennyError):
    """The storage of a lab is being deleted: nothing starts on it before that is done."""

    code = "purge_conflict"
    status = 409
    title = "The storage is being deleted"


class StorageKeptError(SpawnpennyError):
    """A lab's storage was to be deleted, and is kept; the message says why, and what would let it go."""

    code = "storage_kept"
    status = 409
    title = "The storage is kept"


class VolumesKeptError(SpawnpennyError):
    """Storage goes only by an explicit purge."""

    code = "volumes_kept"
    status = 409
    title = "Volumes live there"

    def __init__(self, namespace: str) -> None:
        super().__init__(f"The namespace {namespace} is kept, as a volume claim lives in it.", namespace=namespace)


class NamespaceInUseError(SpawnpennyError):
    """An idle namespace goes only where nothing of anybody else's is in it."""

    code = "namespace_in_use"
    status = 409
    title = "Others use the namespace"

    def __init__(self, namespace: str, objects: str) -> None:
        super().__init__(
            f"The namespace {namespace} is kept, as what is in it is not all spawnpenny's: {objects}.",
            namespace=namespace,
        )


# What the cluster answers.


class ClusterError(SpawnpennyError):
    """The cluster refused a call or did not answer. ``facts`` carry verb, kind, namespace, name and reason."""

    code = "cluster_error"
    status = 502
    title = "The cluster refused"


class AlreadyExistsError(ClusterError):
    code = "cluster_already_exists"


class NotFoundError(ClusterError):
    code = "cluster_not_found"


class ConflictError(ClusterError):
    """The object changed meanwhile, or has another uid than the call's precondition."""

    code = "cluster_conflict"


class ExpiredError(ClusterError):
    """A watch cannot go on from its resource version (HTTP 410): list again."""

    code = "cluster_expired"


class ClusterForbiddenError(ClusterError):
    """The cluster's policy or access control denies the call."""

    code = "cluster_forbidden"


class PolicyRefusedError(ClusterForbiddenError):
    """An admission policy or webhook refuses the object: spawnpenny's own fence, or one of the site's."""

    code = "policy_refused"
    title = "A policy of the cluster refuses it"


class PodSecurityRefusedError(ClusterForbiddenError):
    """The pod security level of the namespace refuses the pod."""

    code = "pod_security_refused"
    title = "The pod security level of the namespace refuses it"


class LimitRangeRefusedError(ClusterForbiddenError):
    """A LimitRange of the namespace refuses the size of a pod, a container or a volume claim."""

    code = "limit_range_refused"
    title = "A LimitRange of the namespace refuses it"


class TerminatingError(ClusterForbiddenError):
    """The namespace is being deleted."""

    code = "namespace_terminating"


class InvalidObjectError(ClusterError):
    code = "cluster_invalid_object"


class ObjectAlteredError(ClusterError):
    """An admission webhook of the site's took from an object what spawnpenny knows it by; ``facts`` carry lost."""

    code = "cluster_object_altered"
    title = "An admission webhook changed what spawnpenny made"


class KindNotServedError(InvalidObjectError):
    """The cluster has no such kind, or not in this version."""

    code = "cluster_kind_not_served"


class UnavailableError(ClusterError):
    """The cluster did not answer, also after the retries."""

    code = "cluster_unavailable"
    status = 503
    title = "The cluster does not answer"


class WebhookUnavailableError(UnavailableError):
    """An admission webhook of the site's does not answer, and the API server refuses without it."""

    code = "cluster_webhook_unavailable"
    title = "An admission webhook of the cluster does not answer"


class SilentStreamError(UnavailableError):
    """Nothing came over a stream of changes for long: it is quiet, or broken."""

    code = "cluster_silent"
    title = "The cluster has been silent"


class BrokerUnavailableError(SpawnpennyError):
    """Nobody makes namespaces or runs orders at the moment."""

    code = "broker_unavailable"
    status = 503
    title = "The broker does not answer"


class ClaimExpiredError(BrokerUnavailableError):
    """A claim was too old when a broker came to it, so that it was not carried out."""

    code = "claim_expired"
    title = "The broker came to it too late"


class BrokerRefusedError(SpawnpennyError):
    """The broker refuses a request: a bound is reached, or its settings do not allow it."""

    code = "broker_refused"
    status = 403
    title = "The broker refused"


class ReplicaFencedError(UnavailableError):
    """A replica that may have been taken for dead writes nothing until it is sure that it was not."""

    code = "replica_fenced"
    title = "This replica has to stand back"
