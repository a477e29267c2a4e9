"""The lab's environment, which may hold secrets: from files and our own environment, never from arguments."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from spawnpenny.cli.exits import UsageError


def lab_environment(names: Iterable[str], files: Iterable[str]) -> dict[str, str]:
    """Return the variables of the files, and the named variables of the command's own environment.

    Raises:
        UsageError: A file is not valid, or a variable is not set.

    """
    found: dict[str, str] = {}
    for file in files:
        found |= _read(file)
    for name in names:
        if "=" in name:
            key = name.partition("=")[0]
            raise UsageError(
                f"--env takes only a name. Set {key} in the environment, where other users cannot read it."
            )
        if name not in os.environ:
            raise UsageError(f"--env {name}: the environment has no such variable.")
        found[name] = os.environ[name]
    return found


def pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """Return the pairs of options of the form KEY=VALUE.

    Raises:
        UsageError: One does not have that form, or a key is given twice.

    """
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise UsageError(f"{option} takes KEY=VALUE, not {text!r}.")
        if key in found:
            raise UsageError(f"{option} {key} is given twice. Use it once.")
        found[key] = value
    return found


def _read(file: str) -> dict[str, str]:
    try:
        text = Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--env-file: {file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"--env-file: {file} is not UTF-8.") from None
    found = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not (key.strip() and equals):
            raise UsageError(f"--env-file: line {number} of {file} is not NAME=VALUE.")
        if key.strip() in found:
            raise UsageError(f"--env-file: {key.strip()} is set twice in {file}, again in line {number}.")
        found[key.strip()] = value
    return found
