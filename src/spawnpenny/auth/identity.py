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

    ``name`` is for the audit log. ``username`` is the user that it speaks for, where it speaks for one: the
    scopes that end in ``:self`` are about that user. uid, gid and groups are what the authenticator vouches
    for; None where it says nothing of them. ``lab`` is the lab that asks, where the token is a lab's own.
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
    the place to open what it asks with, and to close it. One that raises as it is entered stops the service from
    starting.

    Attributes:
        scopes: All scopes that its identities may have; None where that is not known beforehand. ``check`` and ``try``
            need it to find out whether anybody may start anything.

    """

    scopes: frozenset[str] | None = None

    @abstractmethod
    async def authenticate(self, credentials: Credentials) -> Identity | None:
        """Return the identity, or None where these credentials are not known here, so that the next one is asked.

        Raises:
            UnauthenticatedError: They are of a kind that only this one knows, and are not good (any more).
            ForbiddenError: It is known whose they are, and that they are not for spawnpenny.
            NotReadyError: The provider of these credentials does not answer. The other authenticators are tried.

        """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
