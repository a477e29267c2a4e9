"""Settings of a cluster's pods by role: resources and placement of scheduler and workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Final

from marshmallow import ValidationError, fields, validate

from spawnpenny.api import QuantityField, TupleField, fields_of, unknown_key

MIB: Final = 2**20
GIB: Final = 2**30
_OURS: Final = "spawnpenny.io/"
_GRACE: Final = "terminationGracePeriodSeconds"
_LONGEST_GRACE: Final = 3600
_OF_NANNY: Final = Decimal(100 * 2**20)
"""Bytes of a worker's pod for its nanny."""
_TERMINATE: Final = Decimal("0.95")


class PositiveField(QuantityField):
    """A Kubernetes quantity above 0."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        quantity = super()._deserialize(value, attr, data, **kwargs)
        if not quantity:
            raise ValidationError("This has to be more than 0.")
        return quantity


class GibField(PositiveField):
    """Memory: a number is in GiB, a string is a Kubernetes quantity."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        quantity = super()._deserialize(value, attr, data, **kwargs)
        amount = Decimal(int(quantity if isinstance(value, str) else quantity * GIB))
        if amount < MIB:
            raise ValidationError(
                f"{value} is less than 1 MiB. A number is in GiB; a text needs a unit, such as 512Mi."
            )
        return amount


class StringsField(fields.Dict):
    """Strings by name, without spawnpenny's own names."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(keys=fields.String(), values=fields.String(), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        strings: dict[str, str] = super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]
        for key, text in strings.items():
            if key.startswith(_OURS):
                raise ValidationError(f"spawnpenny sets {key!r} itself.")
            _check_templates(text)
        return strings


class ObjectField(fields.Dict):
    """Part of a Kubernetes object of a type, such as ``V1Container``, whose strings are templates."""

    def __init__(self, kind: str, **kwargs: Any) -> None:
        super().__init__(keys=fields.String(), **kwargs)
        self._kind = kind

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        part: dict[str, Any] = super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]
        _check_templates(part)
        if fault := unknown_key(part, self._kind):
            raise ValidationError(fault)
        return part


class PodSpecField(ObjectField):
    """Part of a pod's spec."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("V1PodSpec", **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        spec: dict[str, Any] = super()._deserialize(value, attr, data, **kwargs)
        if spec.get("resources"):
            raise ValidationError(
                "resources: no quota counts those of a whole pod, and Dask does not use them. Set cores and memory."
            )
        for key in ("containers", "securityContext"):
            if key in spec and spec[key] is None:
                raise ValidationError(f"{key}: it cannot be null, as a pod needs it.")
        for kind in ("containers", "initContainers"):
            if not all(container.get("name") for container in spec.get(kind) or ()):
                raise ValidationError(f"{kind}: each container needs a name.")
        grace = spec.get(_GRACE)
        if grace is not None and (type(grace) is not int or not 0 <= grace <= _LONGEST_GRACE):
            raise ValidationError(f"{_GRACE}: write whole seconds, from 0 to {_LONGEST_GRACE}.")
        return spec


class ArgsField(TupleField):
    """Further arguments of a program, without those that other settings set."""

    def __init__(self, ours: Mapping[str, str]) -> None:
        super().__init__(fields.String())
        self._ours = ours

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        arguments: tuple[str, ...] = super()._deserialize(value, attr, data, **kwargs)
        for argument in arguments:
            setting = self._ours.get(argument.partition("=")[0])
            if setting is not None:
                message = f"Set {setting} instead." if setting else "spawnpenny sets it."
                raise ValidationError(f"{argument!r} cannot be among the further arguments. {message}")
            _check_templates(argument)
        return arguments


class ResourcesField(fields.Dict):
    """Amounts of distributed's own resources by name."""

    def __init__(self) -> None:
        super().__init__(
            keys=fields.String(validate=validate.Regexp(r"\A[^\s=]{1,100}\Z", error="A name has no space and no '='.")),
            values=fields.Float(validate=validate.Range(min=0, min_inclusive=False)),
        )


_OWN: Final = {
    "--host": "",
    "--port": "",
    "--protocol": "",
    "--dashboard-address": "",
    "--dashboard": "",
    "--no-dashboard": "",
    "--tls-ca-file": "",
    "--tls-cert": "",
    "--tls-key": "",
    "--interface": "",
    "--idle-timeout": "plugins.dask.idle_timeout",
}
_OWN_OF_WORKERS: Final = _OWN | {
    "--name": "",
    "--death-timeout": "",
    "--nworkers": "",
    "--nthreads": "threads",
    "--memory-limit": "memory",
    "--nanny": "nanny",
    "--no-nanny": "nanny",
    "--worker-class": "worker_class",
    "--resources": "resources",
}


Cores = Annotated[Decimal, PositiveField(of="cpu")]
Memory = Annotated[Decimal, PositiveField(of="memory")]
Texts = Annotated[Mapping[str, str], StringsField()]
WorkerClass = Annotated[
    str,
    fields.String(
        validate=validate.Regexp(
            r"\A[A-Za-z_]\w*(\.[A-Za-z_]\w*)+\Z", error="Write a class with its module, such as dask_cuda.CUDAWorker."
        ),
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """The settings of one kind of pod: cores and bytes, placement, and additions of the site.

    ``program`` replaces distributed's program and gets its arguments; ``args`` are further arguments.
    """

    program: tuple[str, ...] = ()
    args: Annotated[tuple[str, ...], ArgsField(_OWN)] = ()
    cores: Cores = Decimal(1)
    memory: Memory = Decimal(GIB)
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Annotated[Mapping[str, Any], ObjectField("V1Toleration")], ...] = ()
    priority_class_name: str | None = None
    extra_labels: Texts = field(default_factory=dict)
    extra_annotations: Texts = field(default_factory=dict)
    extra_container_config: Annotated[Mapping[str, Any], ObjectField("V1Container")] = field(default_factory=dict)
    extra_pod_config: Annotated[Mapping[str, Any], PodSpecField()] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRole(Role):
    """The settings of a worker: one process, with a nanny or without.

    ``threads`` is None for as many as it has cores. ``resources`` are distributed's own resources, which tasks may
    request.
    """

    memory: Memory = Decimal(2 * GIB)
    args: Annotated[tuple[str, ...], ArgsField(_OWN_OF_WORKERS)] = ()
    threads: Annotated[int, fields.Integer(strict=True, validate=validate.Range(min=1))] | None = None
    nanny: bool = True
    worker_class: WorkerClass | None = None
    resources: Annotated[Mapping[str, float], ResourcesField()] = field(default_factory=dict)

    @property
    def nthreads(self) -> int:
        return self.threads or max(1, int(self.cores))

    @property
    def memory_limit(self) -> int:
        """The memory limit for Dask in bytes. A nanny ends the worker at 95 % of it, before the kernel ends both."""
        if not self.nanny:
            return int(self.memory)
        return int(min(self.memory, max(self.memory / 2, (self.memory - _OF_NANNY) / _TERMINATE)))


def _check_templates(value: Any) -> None:
    if isinstance(value, str):
        try:
            fields_of(value)
        except ValueError as error:
            raise ValidationError(f"{value!r} is not a template: {error}.") from None
    elif isinstance(value, Mapping):
        for inner in value.values():
            _check_templates(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_templates(inner)
