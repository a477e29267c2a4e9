"""Broker requests: ConfigMaps in the state namespace.

The service creates one, the broker writes into it that it has taken it and what the result is, and the service deletes
it. The broker treats a request as hostile input: ``read_request`` checks every part of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

from marshmallow import ValidationError, fields, validate, validates_schema

from spawnpenny import errors
from spawnpenny.domain import broker_errors, labels
from spawnpenny.domain.names import check_username, safe_slug
from spawnpenny.domain.untrusted_json import UntrustedJsonError, parse_json
from spawnpenny.domain.users import GROUP_NAME, MAX_GROUPS, MAX_ID, Group, User, is_group_name
from spawnpenny.errors import InvalidNameError, InvalidRequestError, ProvisionError, SpawnpennyError
from spawnpenny.kubernetes import errors as cluster_errors
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.kubernetes.pods import errors as pod_errors
from spawnpenny.settings.fields import ShortTupleField
from spawnpenny.settings.model import Settings
from spawnpenny.settings.schema import StrictSchema, flatten

KIND: Final = "request"
"""The kind of such a ConfigMap, in its labels."""
REQUEST: Final = "request"
TAKEN: Final = "taken"
ANSWER: Final = "answer"
Verb = Literal["namespace", "release", "commission", "retire"]

_MAX_TEXT: Final = 64 * 1024
_MAX_MESSAGE: Final = 300
_MAX_FACT: Final = 2000
_MAX_FACTS: Final = 20
_ARGUMENTS: Final = frozenset({"self", "message"})
_ERRORS: Final = (errors, broker_errors, cluster_errors, pod_errors)
"""The modules of all errors that the broker may raise. The service raises no others for it."""
_UNREADABLE: Final = "The broker's answer cannot be read. An administrator has to look at its version."


@dataclass(frozen=True, slots=True)
class BrokerRequest:
    """One request to the broker.

    Attributes:
        verb: The work to do.
        username: The user whose namespace or order it is.
        nonce: A random text that makes the request unique.
        uid: The uid of the namespace to release.
        purge: Release the namespace even with volume claims in it.
        foreign: Release the namespace even with objects of others in it.
        dossier: The user, for an order.

    """

    verb: Verb
    username: str
    nonce: str
    uid: str | None = None
    purge: bool | None = None
    foreign: bool | None = None
    dossier: User | None = None

    @property
    def is_order(self) -> bool:
        return self.verb in {"commission", "retire"}

    def to_json(self) -> dict[str, Any]:
        parts = {
            "verb": self.verb,
            "username": self.username,
            "nonce": self.nonce,
            "uid": self.uid,
            "purge": self.purge,
            "foreign": self.foreign,
        }
        dossier = {"dossier": self.dossier.dossier()} if self.dossier is not None else {}
        return {key: value for key, value in parts.items() if value is not None} | dossier


def request_map(request: BrokerRequest, *, namespace: str, installation: str) -> Manifest:
    """Return the ConfigMap of a request."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"request-{request.nonce}",
            "namespace": namespace,
            "labels": {**labels.ours(installation), labels.KIND: KIND, labels.USER: safe_slug(request.username)},
        },
        "data": {REQUEST: json.dumps(request.to_json())},
    }


def is_request(manifest: Manifest) -> bool:
    return bool((manifest["metadata"].get("labels") or {}).get(labels.KIND) == KIND)


def is_taken(manifest: Manifest) -> bool:
    return TAKEN in (manifest.get("data") or {})


def is_answered(manifest: Manifest) -> bool:
    return ANSWER in (manifest.get("data") or {})


def age(manifest: Manifest) -> float:
    """Return the seconds since the API server created an object; never negative."""
    created = datetime.fromisoformat(manifest["metadata"]["creationTimestamp"])
    return max(0.0, (datetime.now(UTC) - created).total_seconds())


def lifetime(verb: Verb, *, taken: bool, settings: Settings) -> float:
    """Return the seconds after which a request is not carried out any more.

    An order that was taken in time gets longer: it may wait for another order of the user, and outlives a broker. A
    release gets less: once its service may be dead, the user may have started something through another replica.
    """
    broker = settings.broker
    if verb == "release":
        return min(broker.timeout, broker.expiry)
    return broker.expiry + (2 * settings.deadlines.spawn if taken and verb != "namespace" else 0)


def is_too_old(manifest: Manifest, settings: Settings) -> bool:
    """Return whether a request is too old to be carried out."""
    taken = is_taken(manifest)
    return age(manifest) > max(lifetime(verb, taken=taken, settings=settings) for verb in get_args(Verb))


def read_request(manifest: Manifest) -> BrokerRequest:
    """Return the request in a ConfigMap.

    Raises:
        InvalidRequestError: It is not valid; the message says why.

    """
    text = (manifest.get("data") or {}).get(REQUEST, "")
    if not isinstance(text, str):
        raise InvalidRequestError("The broker request is not a text.")
    if len(text) > _MAX_TEXT:
        raise InvalidRequestError(f"The broker request has {len(text)} characters; at most {_MAX_TEXT} are allowed.")
    try:
        request: BrokerRequest = _RequestSchema().load(parse_json(text))
    except ValidationError as error:
        sentence = "; ".join(f"{field or 'the whole'}: {message}" for field, message in flatten(error.messages))
        raise InvalidRequestError(f"The broker request is not valid. {sentence}"[:_MAX_MESSAGE]) from None
    except UntrustedJsonError as error:
        raise InvalidRequestError(f"The broker request {error}"[:_MAX_MESSAGE]) from None
    return request


def taken_patch() -> Manifest:
    """Return the patch that marks a request as taken."""
    return {"data": {TAKEN: "true"}}


def result_patch(result: str | None) -> Manifest:
    """Return the patch with the result of a request."""
    return {"data": {ANSWER: json.dumps({"result": result})}}


def error_patch(error: SpawnpennyError) -> Manifest:
    """Return the patch with the error of a request: its code, its message, and its short facts."""
    facts = {
        key: value
        for key, value in list(error.facts.items())[:_MAX_FACTS]
        if value is None or (isinstance(value, str | int | float) and len(str(value)) <= _MAX_FACT)
    }
    answer = {"code": error.code, "message": error.message[:_MAX_FACT], "facts": facts}
    return {"data": {ANSWER: json.dumps(answer)}}


def result_of(manifest: Manifest) -> str | None:
    """Return the result in the answer to a request.

    Raises:
        SpawnpennyError: The error in the answer; a ``ProvisionError`` if its code is not known here.

    """
    try:
        answer = json.loads(manifest["data"][ANSWER])
        if "code" not in answer:
            result: str | None = answer["result"]
            return result
        error = _error(answer["code"], answer["message"], answer.get("facts", {}))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ProvisionError(_UNREADABLE) from None
    raise error


def _error(code: str, message: str, facts: Mapping[str, Any]) -> SpawnpennyError:
    cls = next((cls for cls in _error_classes() if cls.code == code), ProvisionError)
    error = cls.__new__(cls)  # its own __init__ may take other arguments; the message is complete already
    SpawnpennyError.__init__(error, message, **{key: value for key, value in facts.items() if key not in _ARGUMENTS})
    return error


def _error_classes() -> Iterator[type[SpawnpennyError]]:
    for module in _ERRORS:
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, SpawnpennyError):
                yield value


class _Id(fields.Integer):
    """A POSIX id; unlike for Python, true is not 1."""

    def __init__(self) -> None:
        super().__init__(strict=True, required=True, validate=validate.Range(0, MAX_ID))

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class _Flag(fields.Boolean):
    """True or false, and no text that looks like it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


def _check_user(name: str) -> None:
    try:
        check_username(name)
    except InvalidNameError as error:
        raise ValidationError(error.message) from None


def _check_group(name: str) -> None:
    if not is_group_name(name):
        raise ValidationError(f"The name of a group is {GROUP_NAME}.")


class _GroupSchema(StrictSchema[Group]):
    model = Group
    name = fields.String(required=True, validate=_check_group)
    id = _Id()


class _DossierSchema(StrictSchema[User]):
    model = User
    username = fields.String(required=True, validate=_check_user)
    uid = _Id()
    gid = _Id()
    groups = ShortTupleField(
        fields.Nested(_GroupSchema),
        most=MAX_GROUPS,
        required=True,
        error_messages={"invalid": f"This has to be a list of at most {MAX_GROUPS} groups."},
    )


class _RequestSchema(StrictSchema[BrokerRequest]):
    model = BrokerRequest
    verb = fields.String(required=True, validate=validate.OneOf(["namespace", "release", "commission", "retire"]))
    username = fields.String(required=True, validate=_check_user)
    nonce = fields.String(required=True, validate=validate.Length(1, 64))
    uid = fields.String(validate=validate.Length(1, 64))
    purge = _Flag()
    foreign = _Flag()
    dossier = fields.Nested(_DossierSchema)

    @validates_schema
    def _check_parts(self, data: dict[str, Any], **_: Any) -> None:
        release, order = data["verb"] == "release", data["verb"] in {"commission", "retire"}
        for key, desired in (("uid", release), ("purge", release), ("dossier", order)):
            if (key in data) != desired:
                message = "is missing" if desired else "is not allowed"
                raise ValidationError(f"With the verb {data['verb']}, this {message}.", key)
        if "foreign" in data and not release:
            raise ValidationError(f"With the verb {data['verb']}, this is not allowed.", "foreign")
        if order and data["dossier"].username != data["username"]:
            raise ValidationError("This is the dossier of another user.", "dossier")
