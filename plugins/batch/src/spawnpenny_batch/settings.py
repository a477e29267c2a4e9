"""The settings of the batch plugin: where jobs run and write, and their limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from marshmallow import ValidationError, fields, validate

from spawnpenny.api import TemplateField, TupleField, schema_of

_DAY: Final = 24 * 3600
_NUMBER: Final = fields.Integer(strict=True, validate=validate.Range(min=0, max=20))
_SECONDS: Final = fields.Integer(strict=True, validate=validate.Range(min=1, max=365 * _DAY))


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """Settings of jobs.

    Attributes:
        home: The home folder of users in the pods of labs. Paths of notebooks and outputs are within it.
        outputs: The folder in the home with the output of jobs, one folder for each.
        python: The Python of the image, and what has to come before it, such as ``tini -g --``.
        deadline: How many seconds a job may take, if its request does not say so.
        longest: How many seconds a job may take at most.
        retries: How many times a request may have a job run again after a failure.
        replacements: How many times the pod of a job with retries is replaced that the cluster ended.
        backoff: Seconds before the first retry. Each further one waits twice as long, at most five minutes.
        grace: Seconds that a job has to end by itself when it is stopped, or at its deadline.

    """

    home: Annotated[
        str, TemplateField(validate=validate.Regexp(r"/.+", error="Write a path that begins with a slash."))
    ] = "/home/jovyan"
    outputs: Annotated[
        str, fields.String(validate=validate.Regexp(r"(?!/|\.\.(/|$)|.*/\.\.(/|$)).+", error="It is within the home."))
    ] = "jobs"
    python: Annotated[
        tuple[str, ...], TupleField(fields.String(validate=validate.Length(min=1)), validate=validate.Length(min=1))
    ] = ("python",)
    deadline: Annotated[int, _SECONDS] = _DAY
    longest: Annotated[int, _SECONDS] = 7 * _DAY
    retries: Annotated[int, _NUMBER] = 5
    replacements: Annotated[int, _NUMBER] = 5
    backoff: Annotated[float, fields.Float(validate=validate.Range(min=0, max=300))] = 10.0
    grace: Annotated[int, fields.Integer(strict=True, validate=validate.Range(min=0, max=3600))] = 30

    def __post_init__(self) -> None:
        if self.deadline > self.longest:
            raise ValidationError("This is more than longest.", "deadline")


BatchSettingsSchema: Final = schema_of(BatchSettings)
