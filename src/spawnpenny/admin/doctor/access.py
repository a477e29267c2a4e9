"""Ask the API server for the rights of an account."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from spawnpenny.kubernetes.errors import ClusterForbiddenError
from spawnpenny.kubernetes.kinds import Resource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spawnpenny.kubernetes.interface import Cluster

_GROUP: Final = "authorization.k8s.io/v1"
_OTHER: Final = Resource(_GROUP, "SubjectAccessReview", "subjectaccessreviews", namespaced=False, stored=False)
_SELF: Final = Resource(_GROUP, "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False, stored=False)
_AT_ONCE: Final = 8


class RightsUnknownError(Exception):
    """The own rights do not allow a question about that account; the text of the error says so."""


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """A verb on a resource of an API group (``pods/exec`` for a subresource), in one namespace or in all of them."""

    verb: str
    resource: str
    group: str = ""
    namespace: str | None = None
    name: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{f' {self.name}' if self.name else ''}"

    @property
    def attributes(self) -> dict[str, str]:
        resource, _, subresource = self.resource.partition("/")
        given = {
            "verb": self.verb,
            "group": self.group,
            "resource": resource,
            "subresource": subresource,
            "namespace": self.namespace or "",
            "name": self.name,
        }
        return {key: value for key, value in given.items() if value}


class Access:
    """Client of access reviews: of any account if our rights allow it, as an administrator's do, else of our own."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._limit = asyncio.Semaphore(_AT_ONCE)

    async def allowed(self, account: tuple[str, str], rights: Iterable[Right]) -> set[Right]:
        """Return those of the rights that a service account has.

        Raises:
            RightsUnknownError: The API server does not let us ask about this account.

        """
        desired = list(dict.fromkeys(rights))
        if not desired:
            return set()
        about_oneself = await self._is_about_oneself(account, desired[0])
        answers = await asyncio.gather(*(self._may(account, right, about_oneself=about_oneself) for right in desired))
        return {right for right, may in zip(desired, answers, strict=True) if may}

    async def _is_about_oneself(self, account: tuple[str, str], right: Right) -> bool:
        try:
            await self._may(account, right, about_oneself=False)
        except ClusterForbiddenError as error:
            me = re.search(r'User "([^"]+)" cannot', error.message)
            if me is None or me[1] != _user(account):
                namespace, name = account
                message = f"Your rights do not suffice to ask what the account {name} of {namespace} may do."
                raise RightsUnknownError(message) from None
            return True
        return False

    async def _may(self, account: tuple[str, str], right: Right, *, about_oneself: bool) -> bool:
        resource = _SELF if about_oneself else _OTHER
        spec: dict[str, Any] = {"resourceAttributes": right.attributes}
        if not about_oneself:
            groups = ["system:serviceaccounts", f"system:serviceaccounts:{account[0]}", "system:authenticated"]
            spec |= {"user": _user(account), "groups": groups}
        request = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}, "spec": spec}
        async with self._limit:
            answer = await self._cluster.create(request, resource)
        return bool(answer["status"].get("allowed"))


def _user(account: tuple[str, str]) -> str:
    return "system:serviceaccount:{}:{}".format(*account)
