"""The client library for Kubernetes, as far as spawnpenny uses it: credentials, connections, types of objects.

Only this module imports kubernetes_asyncio.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
from kubernetes_asyncio import client, config
from kubernetes_asyncio.client.rest import RESTClientObject

from spawnpenny.errors import SettingsError
from spawnpenny.kubernetes.sockets import Sockets

_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


async def load_configuration(kubeconfig: str | None) -> Any:
    """Return host and credentials of a cluster: of a file, or of the pod's own account, or of kubectl's default.

    Raises:
        SettingsError: There is no configuration, or it cannot be used.

    """
    configuration = client.Configuration()
    try:
        if kubeconfig is None and (_ACCOUNT / "token").exists():
            config.load_incluster_config(client_configuration=configuration)
        else:
            await config.load_kube_config(kubeconfig, client_configuration=configuration, persist_config=False)
    except Exception as error:  # noqa: BLE001 - whatever a broken file or a login program brings about
        # The library's own text may quote a whole entry, with its secrets; a missing key is safe to name.
        missing = re.search(r"Expected (?:key|object with name) [\w.-]+", str(error))
        why = missing.group().removeprefix("Expected ") + " is missing" if missing else type(error).__name__
        where = f"kubeconfig {kubeconfig}" if kubeconfig else "usual kubeconfig, or the service account of this pod,"
        raise SettingsError(f"The {where} cannot be used: {why}.") from None
    return configuration


def rest_client(configuration: Any, sockets: Sockets, *, limit: int | None = None) -> Any:
    """Return a REST client with a pool of connections; 0 is no limit.

    Its session is ours: it reads no proxy settings and no netrc, as that costs more than a call.
    """
    rest: Any = RESTClientObject(configuration) if limit is None else RESTClientObject(configuration, maxsize=limit)
    shipped = rest.pool_manager.connector
    certificates = shipped._ssl  # noqa: SLF001 - made from the configuration, and not given out otherwise
    rest.pool_manager.detach()
    rest.pool_manager = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=certificates, limit=shipped.limit, socket_factory=sockets),
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=1 << 18,
    )
    return rest


def field_types(model: str) -> Mapping[str, str] | None:
    """Return the keys of a type of objects such as ``V1Pod``, each with the name of its type; None if there is none."""
    cls = getattr(client, model, None)
    if cls is None:
        return None
    return {name: cls.openapi_types[attribute] for attribute, name in cls.attribute_map.items()}


def required_fields(model: str) -> frozenset[str]:
    """Return the keys that an object of a type cannot be without: those whose setters refuse None."""
    cls = getattr(client, model)
    bare = cls.__new__(cls)
    bare.local_vars_configuration = client.Configuration()
    return frozenset(name for attribute, name in cls.attribute_map.items() if _refuses_none(bare, attribute))


def _refuses_none(bare: Any, attribute: str) -> bool:
    try:
        setattr(bare, attribute, None)
    except ValueError:
        return True
    return False
