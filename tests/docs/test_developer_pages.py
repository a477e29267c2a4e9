"""The pages for developers name files and commands that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ARCHITECTURE = ROOT / "docs" / "explanation" / "architecture.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
PATH = re.compile(r"`((?:src|plugins|tests|docs|tools|kustomize)/[\w./-]+)`")


@pytest.mark.parametrize("page", [ARCHITECTURE, CONTRIBUTING], ids=lambda page: page.stem)
def test_each_path_exists(page):
    named = set(PATH.findall(page.read_text(encoding="utf-8")))
    assert len(named) > 5
    assert [
        path
        for path in sorted(named)
        if not ({"_build", "NNNN-name.md"} & {*Path(path).parts} or (ROOT / path).exists())
    ] == []


def test_each_folder_and_module_of_the_package_has_its_floor():
    table = ARCHITECTURE.read_text(encoding="utf-8").partition("| floor | has |")[2].partition("\n\n")[0]
    floors = {Path(path).name for path in PATH.findall(table)}
    package = ROOT / "src" / "spawnpenny"
    found = {path.name for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert floors == found - {"__init__.py", "__main__.py"}


def test_the_commands_of_the_contributors_are_targets_and_hooks_use_no_network():
    text = CONTRIBUTING.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", text)) <= targets
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repository["repo"] for repository in hooks["repos"]] == ["local"]
    assert {hook["language"] for hook in hooks["repos"][0]["hooks"]} == {"system"}
