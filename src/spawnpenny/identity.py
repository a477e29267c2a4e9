"""Who is asking: credentials, and the identity that an authenticator makes of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from spawnpenny.domain.users import Group


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request brings: the bearer token, if any, its headers, and the address that it came from."""

    token: str | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    remote: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks, and what for they may.

    ``name`` is for the audit log. ``username`` is the user that it speaks for, where it speaks for one: the
    scopes that end in ``:self`` are about that user. uid, gid and groups are what the authenticator vouches
    for; None where it says nothing of them.
    """

    name: str
    scopes: frozenset[str]
    username: str | None = None
    uid: int | None = None
    gid: int | None = None
    groups: tuple[Group, ...] | None = None


class Authenticator(ABC):
    """Turns credentials into an identity; contributed by the hook ``spawnpenny_authenticators``."""

    @abstractmethod
    async def authenticate(self, credentials: Credentials) -> Identity | None:
        """Return the identity, or None where these credentials are not known here.

        Raises:
            NotReadyError: It cannot be told now, as whoever knows does not answer.

        """
