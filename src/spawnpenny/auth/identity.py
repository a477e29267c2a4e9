"""Credentials of a request, and the identity that an authenticator makes of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from spawnpenny.domain.spawns import Caller
from spawnpenny.domain.users import Group


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials of a request: the bearer token, if any, its headers, and the address that it came from.

    A request that another replica has passed on has the headers that its caller sent.
    """

    token: str | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    remote: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of a caller, with its scopes.

    ``name`` is for the audit log. ``username`` is the user whom it stands for, if any: the scopes that end in ``:self``
    are about that user. uid, gid and groups are verified by the authenticator; None if it does not know them. ``lab``
    is the lab that sent the request, if the token is a lab token.
    """

    name: str
    scopes: frozenset[str]
    username: str | None = None
    uid: int | None = None
    gid: int | None = None
    groups: tuple[Group, ...] | None = None
    lab: Caller | None = None


class Authenticator(ABC):
    """Turns credentials into an identity; contributed by the hook ``spawnpenny_authenticators``.

    It is an asynchronous context, entered in the service's event loop before the first request and left after the last:
    open and close connections there. If it raises as it is entered, the service does not start.

    Attributes:
        scopes: All scopes that its identities may have; None if that is not known beforehand. ``check`` and ``try``
            use it to find out whether anybody may start a lab.

    """

    scopes: frozenset[str] | None = None

    @abstractmethod
    async def authenticate(self, credentials: Credentials) -> Identity | None:
        """Return the identity, or None if it does not know these credentials, so that the next authenticator is called.

        Raises:
            UnauthenticatedError: Only this authenticator knows credentials of their kind, and they are not valid.
            ForbiddenError: The credentials are valid, but not for spawnpenny.
            NotReadyError: The provider of these credentials does not answer. The other authenticators are tried.

        """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
