"""The interface of the broker: it makes user namespaces and runs the orders of the site."""

from __future__ import annotations

from typing import Literal, Protocol

from spawnpenny.domain.users import User


class Broker(Protocol):
    """The interface of the broker: it makes user namespaces and runs the site's orders."""

    async def claim_namespace(self, username: str) -> str:
        """Make a user's namespace with its RoleBinding, or find it there; return its uid.

        Raises:
            NameCollisionError: It is another user's.
            NotOursError: It was not made by this installation.
            ProvisionError: The last one of that name does not go.
            BrokerRefusedError: There are as many as there may be.
            BrokerUnavailableError: Nobody does it at the moment.

        """
        ...

    async def release_namespace(self, username: str, uid: str, *, purge: bool = False, foreign: bool = False) -> None:
        """Delete a user's namespace, if it still has that uid; none there is success.

        Args:
            username: Whose.
            uid: The namespace's.
            purge: Delete it with the volume claims that live in it, if the broker's settings allow that.
            foreign: Delete it also with what others have put there, as when the user is retired.

        Raises:
            VolumesKeptError: A volume claim lives in it.
            NamespaceInUseError: Something else lives in it that is not ours.
            NameCollisionError, NotOursError, ConflictError: It is another one.
            BrokerRefusedError: As many were deleted within the hour as may be.
            BrokerUnavailableError: Nobody does it at the moment.

        """
        ...

    async def provision(self, user: User, order: Literal["commission", "retire"]) -> None:
        """Run the site's containers of an order with the user's dossier; return when they have succeeded.

        Raises:
            ProvisionError: One failed; the message says which and how.
            NameCollisionError: The namespace of that name is another user's.
            BrokerRefusedError: The ids are not those of a user.
            BrokerUnavailableError: Nobody does it at the moment.

        """
        ...

    def namespace_hash(self) -> str:
        """Return what changes when namespaces are to be made otherwise.

        Raises:
            BrokerUnavailableError: It is not known yet.

        """
        ...

    def order_hash(self, order: Literal["commission", "retire"]) -> str:
        """Return what changes when the order does.

        Raises:
            BrokerUnavailableError: It is not known yet.

        """
        ...
