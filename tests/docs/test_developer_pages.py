"""The pages for developers name files and commands that exist."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
PATH = re.compile(r"`((?:src|plugins|tests|docs|tools|kustomize)/[\w./-]+)`")


def test_each_path_exists():
    named = set(PATH.findall(CONTRIBUTING.read_text(encoding="utf-8")))
    assert len(named) > 5
    assert [path for path in sorted(named) if "_build" not in path and not (ROOT / path).exists()] == []


def test_the_commands_of_the_contributors_are_targets_and_hooks_use_no_network():
    text = CONTRIBUTING.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", text)) <= targets
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repository["repo"] for repository in hooks["repos"]] == ["local"]
    assert {hook["language"] for hook in hooks["repos"][0]["hooks"]} == {"system"}
