"""Compare the package versions of a scheduler with those of its client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from distributed.versions import get_versions

_PACKAGES: Final = (
    *("dask", "distributed", "msgpack", "cloudpickle", "tornado", "toolz"),
    *("lz4", "numpy", "pandas"),
)


def own_versions() -> dict[str, str | None]:
    """Return the versions of Python and of the packages that matter to a cluster."""
    found: dict[str, str | None] = get_versions()["packages"]
    return found


def differences(ours: Mapping[str, str | None], theirs: Mapping[str, str | None]) -> list[str]:
    """Return the differences as short texts. Packages that are missing here do not count, as nothing uses them."""
    found = []
    if _minor(ours.get("python")) != _minor(theirs.get("python")):
        found.append(f"Python is {_minor(ours.get('python'))} here and {_minor(theirs.get('python'))} there")
    for package in _PACKAGES:
        own, other = ours.get(package), theirs.get(package)
        if own is not None and own != other:
            found.append(f"{package} is {own} here and {other or 'missing'} there")
    return found


def version_warning(name: str, theirs: Mapping[str, str | None]) -> str | None:
    """Return a warning if a cluster has other versions than this process; None if it has the same."""
    found = differences(own_versions(), theirs)
    if not found:
        return None
    return (
        f"The Dask cluster {name} has other versions than this process, and work may fail in odd ways: "
        f"{', '.join(found)}. Start the cluster with the image of this lab, or this lab with that of the cluster."
    )


def _minor(python: str | None) -> str:
    return ".".join((python or "unknown").split(".")[:2])
