"""The site's orders: the containers that commission and retire a user, as in Moneypenny's ``m.yaml``.

The orders file is a mapping. ``commission`` and ``retire`` are lists of Kubernetes containers that run one after the
other. ``volumes`` are Kubernetes volumes that they may mount, and ``pullSecrets`` are names of Secrets with the
credentials of a registry. Each container finds the user's dossier in ``/opt/dossier/dossier.json``; the variable
``$SPAWNPENNY_DOSSIER`` has this path, too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from marshmallow import ValidationError, fields, validate

from spawnpenny.domain import labels
from spawnpenny.domain.hashes import content_hash
from spawnpenny.domain.names import safe_slug
from spawnpenny.domain.users import User
from spawnpenny.errors import SettingsError
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.settings.fields import TupleField
from spawnpenny.settings.schema import flatten, schema_of
from spawnpenny.settings.sources import parse_mapping

Order = Literal["commission", "retire"]
_VARIABLE: Final = {"name": "SPAWNPENNY_DOSSIER", "value": "/opt/dossier/dossier.json"}
_MOUNT: Final = {"name": "spawnpenny-dossier", "mountPath": "/opt/dossier", "readOnly": True}


Objects = tuple[Annotated[dict[str, Any], fields.Dict()], ...]


@dataclass(frozen=True, slots=True)
class Orders:
    """The containers of each order, and the volumes of both."""

    commission: Objects = ()
    retire: Objects = ()
    volumes: Objects = ()
    pull_secrets: Annotated[
        tuple[str, ...],
        TupleField(
            fields.String(
                validate=validate.Regexp(
                    r"\A[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\Z", error="This is not the name of a Secret."
                ),
                error_messages={"invalid": "This has to be the name of a Secret, as a text."},
            ),
            data_key="pullSecrets",
        ),
    ] = ()

    def containers(self, order: Order) -> tuple[dict[str, Any], ...]:
        return self.commission if order == "commission" else self.retire

    def hash(self, order: Order) -> str:
        """Return a hash that changes when the order does; empty if the order has no containers."""
        return content_hash([self.containers(order), self.volumes]) if self.containers(order) else ""


class OrdersFile:
    """The orders file, which may be edited while the service runs."""

    def __init__(self, path: str | None) -> None:
        self._path = Path(path) if path else None
        self._stamp: tuple[int, int] | None = None
        self._orders = Orders()

    def read(self) -> Orders:
        """Return the present orders; none if the settings name no file.

        Raises:
            SettingsError: The file cannot be read, or is not valid.

        """
        if self._path is None:
            return self._orders
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            if stamp != self._stamp:
                self._orders = parse_orders(self._path.read_text(encoding="utf-8"), str(self._path))
                self._stamp = stamp
        except OSError as error:
            raise SettingsError(f"The orders file {self._path} cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise SettingsError(f"The orders file {self._path} is not UTF-8.") from None
        return self._orders


def parse_orders(text: str, source: str) -> Orders:
    """Return the orders in the text of an orders file.

    Raises:
        SettingsError: It is not valid.

    """
    data = parse_mapping(text, f"The orders file {source}")
    try:
        orders: Orders = schema_of(Orders)().load(data)
    except ValidationError as error:
        sentence = " ".join(f"{field}: {message}" for field, message in flatten(error.messages))
        raise SettingsError(f"The orders file {source} is not valid. {sentence}") from None
    for container in (*orders.commission, *orders.retire):
        if not isinstance(container.get("name"), str) or not isinstance(container.get("image"), str):
            raise SettingsError(f"In the orders file {source}, each container needs a name and an image.")
    return orders


def order_name(user: User, order: Order) -> str:
    """Return the name of the pod and of the ConfigMap of an order."""
    return f"{order}-{safe_slug(user.username)}"


def run_hash(user: User, order: Order, orders: Orders) -> str:
    """Return a hash of one run: of the order's content and the user's dossier."""
    return content_hash([orders.hash(order), user.dossier()])


def dossier_map(user: User, order: Order, metadata: Manifest) -> Manifest:
    """Return the ConfigMap with the dossier."""
    data = {"dossier.json": json.dumps(user.dossier(), indent=2, sort_keys=True, ensure_ascii=False)}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": order_name(user, order), **metadata},
        "data": data,
    }


def order_pod(user: User, order: Order, orders: Orders, metadata: Manifest, *, seconds: int) -> Manifest:
    """Return the pod that runs an order.

    All containers but the last are init containers, so that they run one after the other.
    """
    containers = [_with_dossier(container) for container in orders.containers(order)]
    annotations = {**metadata["annotations"], labels.CONTAINER: containers[-1]["name"]}
    dossier = {"name": _MOUNT["name"], "configMap": {"name": order_name(user, order)}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": order_name(user, order), **metadata, "annotations": annotations},
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": seconds,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            **({"imagePullSecrets": [{"name": name} for name in orders.pull_secrets]} if orders.pull_secrets else {}),
            "initContainers": containers[:-1],
            "containers": containers[-1:],
            "volumes": [*orders.volumes, dossier],
        },
    }


def _with_dossier(container: dict[str, Any]) -> dict[str, Any]:
    return {
        **container,
        "env": [_VARIABLE, *(container.get("env") or ())],
        "volumeMounts": [*(container.get("volumeMounts") or ()), _MOUNT],
    }


def order_metadata(user: User, content: str, *, namespace: str, installation: str) -> Manifest:
    """Return the metadata of both objects of an order, without the name."""
    return {
        "namespace": namespace,
        "labels": {
            **labels.ours(installation),
            labels.KIND: "order",
            labels.USER: safe_slug(user.username),
        },
        "annotations": {labels.USERNAME: user.username, labels.HASH: content},
    }
