"""Jobs as requests describe them: what to run, where its output goes, and how long and how often it may run."""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from spawnpenny.api import InvalidOptionError, UnknownOptionError
from spawnpenny_batch.settings import BatchSettings

OF_THE_LAB: Final = "lab."
"""The prefix of options that choose the lab like which a job runs; the lab plugin checks them."""
SAMPLE: Final[Mapping[str, Any]] = {"notebook": "notebook.ipynb"}
"""The options of a sample job."""
_OWN: Final = tuple("notebook command kernel directory output retries deadline".split())  # noqa: SIM905 - a list would seem to name a container
_MOST_BYTES: Final = 8 * 1024
_LONGEST_PATH: Final = 1000
_KERNEL: Final = re.compile(r"[A-Za-z0-9][-._A-Za-z0-9]{0,99}", re.ASCII)
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhd]?)", re.ASCII)
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 24 * 3600}


@dataclass(frozen=True, slots=True)
class Job:
    """A job. Paths are relative to the home of its user.

    Attributes:
        notebook: The notebook, or an empty text for a command.
        command: The program and its arguments; empty for a notebook. No shell reads them.
        kernel: The kernel of the notebook; an empty text for its own.
        directory: Where it runs.
        output: The folder with its output; an empty text for a new one.
        retries: How many times it runs again after a failure.
        deadline: How many seconds it may take, all tries together.

    """

    notebook: str
    command: tuple[str, ...]
    kernel: str
    directory: str
    output: str
    retries: int
    deadline: int

    @classmethod
    def of(cls, options: Mapping[str, Any], settings: BatchSettings, home: str) -> Job:
        """Return the job that the options of a request describe.

        Raises:
            UnknownOptionError: A job has no such option.
            InvalidOptionError: An option is wrong, or the job has nothing to run, or two things.

        """
        _refuse_unknown(options)
        command = options.get("command")
        if (options.get("notebook") is None) == (command is None):
            raise InvalidOptionError("A job has a notebook or a command: send one of them.", field="options.notebook")
        notebook = _path(options, "notebook", home) if command is None else ""
        if command is None and not notebook:
            raise InvalidOptionError("The notebook is a file, not the home folder.", field="options.notebook")
        kernel = _text(options, "kernel") if "kernel" in options else ""
        if kernel and not _KERNEL.fullmatch(kernel):
            raise InvalidOptionError(
                "The kernel is the name of a kernel, such as python3: letters, digits, '-', '_' and '.'.",
                field="options.kernel",
            )
        directory = _path(options, "directory", home) if "directory" in options else posixpath.dirname(notebook)
        return cls(
            notebook=notebook,
            command=_command(command) if command is not None else (),
            kernel=kernel,
            directory=directory,
            output=(_path(options, "output", home) or ".") if "output" in options else "",
            retries=_retries(options.get("retries", 0), settings.retries),
            deadline=_deadline(options.get("deadline", settings.deadline), settings.longest),
        )

    def to_json(self, output: str) -> str:
        """Return what the program in the pod reads."""
        what = {"notebook": self.notebook, "kernel": self.kernel} if self.notebook else {"command": self.command}
        return json.dumps({**what, "directory": self.directory, "output": output}, ensure_ascii=False)


def _refuse_unknown(options: Mapping[str, Any]) -> None:
    for name in options:
        if name not in _OWN and not name.startswith(OF_THE_LAB):
            raise UnknownOptionError(
                f"A job has no option {name[:100]!r}. Its options are {', '.join(_OWN)}, "
                f"and those of a lab, such as {OF_THE_LAB}size.",
                field=f"options.{name[:100]}",
            )
    if len(json.dumps(dict(options))) > _MOST_BYTES:
        raise InvalidOptionError(
            f"The options of a job have at most {_MOST_BYTES} bytes. Put a long command into a file.", field="options"
        )


def _text(options: Mapping[str, Any], name: str) -> str:
    value = options[name]
    if not isinstance(value, str) or not value or not value.isprintable():
        raise InvalidOptionError(f"The {name} is a text without control characters.", field=f"options.{name}")
    return value


def _path(options: Mapping[str, Any], name: str, home: str) -> str:
    """Return a path relative to the home, which it may not leave; empty for the home itself."""
    text = _text(options, name)
    if len(text) > _LONGEST_PATH:
        raise InvalidOptionError(
            f"The {name} has at most {_LONGEST_PATH} characters.",
            field=f"options.{name}",
        )
    home, path = posixpath.normpath(home), "." + text[1:] if text == "~" or text.startswith("~/") else text
    whole = posixpath.normpath(posixpath.join(home, path))
    if whole != home and not whole.startswith(f"{home.rstrip('/')}/"):
        raise InvalidOptionError(
            f"The {name} {text[:100]!r} is not within {home}. Write a path within the home folder.",
            field=f"options.{name}",
        )
    return posixpath.relpath(whole, home) if whole != home else ""


def _command(value: Any) -> tuple[str, ...]:
    """Return a command line: a list of texts, or a text that is split as a shell does, without being run by one."""
    try:
        parts = shlex.split(value) if isinstance(value, str) else value
    except ValueError as error:
        raise InvalidOptionError(f"The command cannot be split: {error}.", field="options.command") from None
    if not isinstance(parts, list) or not parts or not all(isinstance(part, str) for part in parts) or not parts[0]:
        raise InvalidOptionError(
            "The command is a list of texts, the program first, or one text that is split at its spaces. No shell "
            "reads it; for one, write ['sh', '-c', '…'].",
            field="options.command",
        )
    if any("\0" in part or not _is_unicode(part) for part in parts):
        raise InvalidOptionError("The command may not hold NUL characters.", field="options.command")
    return tuple(parts)


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _retries(value: Any, most: int) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < len("1000"):
        value = int(value)
    if type(value) is not int or not 0 <= value <= most:
        raise InvalidOptionError(f"The retries are a number from 0 to {most}.", field="options.retries")
    return value


def _deadline(value: Any, longest: int) -> int:
    if isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        value = int(match[1]) * _UNITS[match[2]]
    if type(value) is not int or not 1 <= value <= longest:
        raise InvalidOptionError(
            f"The deadline is a number of seconds from 1 to {longest}, or a text such as '90m', '6h' or '2d'.",
            field="options.deadline",
        )
    return value
