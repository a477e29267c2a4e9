"""Modules that a process has loaded, compared with what is pinned in a file beside the test."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
EXTRAS: Final = ("server", "jupyterhub", "dask", "oidc")


class Loaded:
    """What a process has loaded of spawnpenny, and of the libraries that pyproject.toml names.

    The file beside the test pins it; ``SPAWNPENNY_GOLDEN=write`` writes that anew.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def check(self, name: str, modules: Iterable[str]) -> None:
        """Compare modules with the pinned ones; the test fails if they differ."""
        modules = list(modules)
        roots = {module.partition(".")[0] for module in modules} & libraries()
        ours = {module for module in modules if module.partition(".")[0].startswith("spawnpenny")}
        found = [*sorted(ours), *sorted(f"library {root}" for root in roots)]
        file = self._folder / f"{name}.txt"
        if os.environ.get("SPAWNPENNY_GOLDEN") == "write":
            file.write_text("\n".join(found) + "\n")
        expected = file.read_text().splitlines()
        assert found == expected, "\n".join(["", *difflib.unified_diff(expected, found, "pinned", "loaded", n=0)])


def libraries() -> set[str]:
    """Return the top-level modules of the distributions that pyproject.toml names for what spawnpenny runs as."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [
        *project["dependencies"],
        *(requirement for extra in EXTRAS for requirement in project["optional-dependencies"][extra]),
    ]
    names = {re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-") for requirement in named} - {"spawnpenny"}
    owners = packages_distributions()
    return {
        root
        for root, found in owners.items()
        if names & {distribution.lower().replace("_", "-") for distribution in found}
    }
