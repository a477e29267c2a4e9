"""Errors of calls to the cluster."""

from __future__ import annotations

from spawnpenny.errors import SpawnpennyError


class ClusterError(SpawnpennyError):
    """The cluster refused a call or did not answer. ``facts`` have verb, kind, namespace, name and reason."""

    code = "cluster_error"
    status = 502
    title = "The cluster refused"


class AlreadyExistsError(ClusterError):
    code = "cluster_already_exists"


class NotFoundError(ClusterError):
    code = "cluster_not_found"


class ConflictError(ClusterError):
    """The object has changed meanwhile, or its uid is not that of the precondition."""

    code = "cluster_conflict"


class ExpiredError(ClusterError):
    """A watch cannot start from its resource version (HTTP 410): list again."""

    code = "cluster_expired"


class ClusterForbiddenError(ClusterError):
    """The cluster's policy or access control denies the call."""

    code = "cluster_forbidden"


class PolicyRefusedError(ClusterForbiddenError):
    """An admission policy or webhook refuses the object: spawnpenny's own fence, or another one of the site."""

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
    """An admission webhook of the site removed what spawnpenny needs of an object; ``facts`` have ``lost``."""

    code = "cluster_object_altered"
    title = "An admission webhook changed what spawnpenny made"


class KindNotServedError(InvalidObjectError):
    """The cluster does not serve this kind of object, or not in this version."""

    code = "cluster_kind_not_served"


class UnavailableError(ClusterError):
    """The cluster did not answer, even after the retries."""

    code = "cluster_unavailable"
    status = 503
    title = "The cluster does not answer"


class WebhookUnavailableError(UnavailableError):
    """An admission webhook of the site does not answer, and the API server refuses objects without it."""

    code = "cluster_webhook_unavailable"
    title = "An admission webhook of the cluster does not answer"


class SilentStreamError(UnavailableError):
    """A watch was silent for too long: it is quiet, or broken."""

    code = "cluster_silent"
    title = "The cluster has been silent"
