"""The version of an API server and the resources that it serves."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any, Final

from spawnpenny.kubernetes.interface import Manifest

_POD_SECURITY_SINCE: Final = (1, 23)
"""Where the levels of namespaces are enforced by default; from 1.25 on they cannot be turned off."""


class Discovery:
    """The version and the resources of one API server; it is asked once for each answer."""

    def __init__(self, get: Callable[[str], Manifest | None]) -> None:
        """Ask by ``get``, which returns the JSON of a path, or None where that is not served."""
        self._get = get
        self._served = cache(self._list)

    @cached_property
    def version(self) -> tuple[int, int]:
        """The version of Kubernetes as two numbers."""
        git = (self._get("/version") or {}).get("gitVersion", "")
        found = re.match(r"v(\d+)\.(\d+)", git)
        if not found:
            raise RuntimeError(f"The API server does not give its version, but {git!r}")
        return int(found[1]), int(found[2])

    def serves(self, resource: str, api_version: str = "v1") -> bool:
        """Return whether a resource, such as ``pods`` or ``pods/resize``, is served in an API version."""
        return resource in self._served(api_version)

    @property
    def enforces_pod_security(self) -> bool:
        """Return whether pods are held to the pod security level of their namespace."""
        return self.version >= _POD_SECURITY_SINCE

    @property
    def evaluates_policies(self) -> bool:
        """Return whether the kind ValidatingAdmissionPolicy is served in its stable version, and hence evaluated."""
        return self.serves("validatingadmissionpolicies", "admissionregistration.k8s.io/v1")

    def _list(self, api_version: str) -> frozenset[str]:
        root = "apis" if "/" in api_version else "api"
        listing: dict[str, Any] = self._get(f"/{root}/{api_version}") or {"resources": []}
        return frozenset(resource["name"] for resource in listing["resources"])
