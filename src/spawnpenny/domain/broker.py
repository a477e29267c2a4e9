"""The interface of the broker: it makes user namespaces and runs the orders of the site."""

from __future__ import annotations

from typing import Literal, Protocol

from spawnpenny.domain.users import User


class Broker(Protocol):
    """The interface of the broker: it makes user namespaces and runs the site's orders."""

    async def claim_namespace(self, username: str) -> str:
        """Make a user's namespace with its RoleBinding, or find the existing one; return its uid.

        Raises:
            NameCollisionError: It is another user's.
            NotOursError: It was not made by this installation.
            ProvisionError: The previous one of that name is still being deleted.
            BrokerRefusedError: The limit of namespaces is reached.
            BrokerUnavailableError: No broker answers at the moment.

        """
        ...

    async def release_namespace(self, username: str, uid: str, *, purge: bool = False, foreign: bool = False) -> None:
        """Delete a user's namespace, if it still has that uid; succeed if there is none.

        Args:
            username: The user.
            uid: The uid of the namespace.
            purge: Delete it with its volume claims, if the broker's settings allow that.
            foreign: Delete it even with objects of others in it, as for a retired user.

        Raises:
            VolumesKeptError: A volume claim lives in it.
            NamespaceInUseError: Others have objects in it.
            NameCollisionError, NotOursError, ConflictError: It is another one.
            BrokerRefusedError: The limit of deletions within an hour is reached.
            BrokerUnavailableError: No broker answers at the moment.

        """
        ...

    async def provision(self, user: User, order: Literal["commission", "retire"]) -> None:
        """Run the site's containers of an order with the user's dossier; return when they have succeeded.

        Raises:
            ProvisionError: A container failed; the message says which and how.
            NameCollisionError: The namespace of that name is another user's.
            BrokerRefusedError: The ids are not those of a user.
            BrokerUnavailableError: No broker answers at the moment.

        """
        ...

    def namespace_hash(self) -> str:
        """Return a hash of how namespaces are made.

        Raises:
            BrokerUnavailableError: It is not known yet.

        """
        ...

    def order_hash(self, order: Literal["commission", "retire"]) -> str:
        """Return a hash of an order.

        Raises:
            BrokerUnavailableError: It is not known yet.

        """
        ...
