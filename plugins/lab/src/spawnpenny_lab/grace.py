"""The grace period: the seconds that a lab gets to end by itself, under the three names that settings have for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import fields, validate

_NAMES: Final = ("delete_grace_period", "grace")
_OF_POD: Final = "terminationGracePeriodSeconds"
LONGEST: Final = 3600


def grace_period(**kwargs: Any) -> fields.Integer:
    """Return a field for a grace period, in seconds."""
    return fields.Integer(strict=True, validate=validate.Range(0, LONGEST), **kwargs)


def wrong_grace(data: Mapping[str, Any]) -> dict[str, str]:
    """Return what contradicts itself, by key: there is one grace period, in the pod's spec and when it is deleted."""
    of_pod = data.get("extra_pod_config", {}).get(_OF_POD)
    if of_pod is not None and (isinstance(of_pod, bool) or not isinstance(of_pod, int) or not 0 <= of_pod <= LONGEST):
        return {"extra_pod_config": f"{_OF_POD}: write whole seconds, from 0 to {LONGEST}."}
    given = {name: data[name] for name in _NAMES if data.get(name) is not None}
    if of_pod is not None:
        given[f"extra_pod_config.{_OF_POD}"] = of_pod
    if len(set(given.values())) < 2:  # noqa: PLR2004 - they agree
        return {}
    values = ", ".join(f"{name} is {value}" for name, value in given.items())
    return {next(iter(given)): f"{values}: these are one setting. Write one of them, or the same in each."}
