"""The schemas that describe the gateway protocol's answers in the OpenAPI document."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from spawnpenny.dask.gateway.status import Status
from spawnpenny.dask.rest_schemas import WorkersView
from spawnpenny.domain.cluster_options import OptionType
from spawnpenny.web.schemas.responses import described


class GatewayErrorView(Schema):
    error = fields.String(required=True, metadata=described("One plain sentence or two, as the client shows them."))


class GatewayVersionView(Schema):
    version = fields.String(required=True)


class FieldSpecView(Schema):
    type = fields.String(required=True, validate=validate.OneOf([*OptionType]))
    min = fields.Float(allow_none=True)
    max = fields.Float(allow_none=True)
    options = fields.List(fields.String(), metadata=described("The choices of a `select`."))


class ClusterFieldView(Schema):
    """A cluster option."""

    field = fields.String(required=True)
    label = fields.String(required=True)
    default = fields.Raw(required=True)
    spec = fields.Nested(FieldSpecView, required=True)
    description = fields.String(required=True)
    unit = fields.String(metadata=described("Of a number, such as `GiB` or `minutes`, where it has one."))


class WorkerGroupView(Schema):
    """A group of workers that a cluster may have."""

    name = fields.String(required=True, metadata=described("What `scale` takes as `group`."))
    cores = fields.Float(required=True, metadata=described("Of one worker."))
    memory = fields.Integer(required=True, metadata=described("Bytes of one worker."))
    maximum = fields.Integer(required=True, metadata=described("How many workers a cluster may have of it."))
    label = fields.String(required=True)
    description = fields.String(required=True)


class ClusterOptionsView(Schema):
    cluster_options = fields.List(fields.Nested(ClusterFieldView), required=True)
    worker_groups = fields.List(fields.Nested(WorkerGroupView), required=True)


class StartedClusterView(Schema):
    name = fields.String(required=True)


class FactsView(Schema):
    """The facts of a running cluster, beside its options; empty until it runs."""

    scheduler = fields.String(allow_none=True, metadata=described("Where the scheduler takes connections."))
    workers = fields.Nested(WorkersView, metadata=described("Those that there are."))


class ReportView(Schema):
    """A report: a Dask cluster as dask-gateway's client takes it."""

    name = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf([*Status]))
    start_time = fields.Integer(required=True, metadata=described("Milliseconds since the epoch."))
    stop_time = fields.Integer(required=True, allow_none=True)
    options = fields.Dict(
        required=True,
        metadata=described("What was chosen, but for what is secret. It can be sent again, for another cluster."),
    )
    dashboard_route = fields.String(
        required=True, allow_none=True, metadata=described("With a new one-time ticket; goes after `public_address`.")
    )
    tls_cert = fields.String(required=True, allow_none=True, metadata=described("Made for this answer; null in lists."))
    tls_key = fields.String(required=True, allow_none=True)
    facts = fields.Nested(FactsView, metadata=described("Only where the query has `facts`."))


class ScaledView(Schema):
    ok = fields.Boolean(required=True, metadata=described("Whether all that was asked for fits."))
    msg = fields.String(required=True, allow_none=True, metadata=described("What does not, with the numbers."))
