"""The distribution of a new plugin, made from templates."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Final

from spawnpenny.cli.exits import CommandError, UsageError

_SUFFIX: Final = ".template"
_LONGEST_KIND: Final = 15
_COMMON: Final = "common"
_DOTTED: Final = frozenset({"gitignore"})
_KEY: Final = "import secrets; print(secrets.token_hex())"


@dataclass(frozen=True, slots=True)
class Variant:
    """A sort of plugin that can be written.

    ``effect`` says what its user sees in the demo. ``keyed`` is true if its section needs a file with a key.
    """

    folder: str
    summary: str
    effect: str
    keyed: bool = False


VARIANTS: Final[Mapping[str, Variant]] = {
    "step": Variant("step", "a text in each lab", "A lab of the demo has the text in its variable {variable}_TEXT."),
    "kind": Variant("kind", "a kind of spawns", "The demo starts one by PUT /v1/users/USER/{plural}/NAME."),
    "authenticator": Variant(
        "authenticator", "callers with signed tokens", "The demo takes tokens that the plugin has signed.", keyed=True
    ),
}


def distribution_name(plugin: str) -> str:
    """Return the name of the distribution of a plugin."""
    return f"spawnpenny-{plugin}"


def module_name(plugin: str) -> str:
    """Return the name of the module of a plugin."""
    return distribution_name(plugin).replace("-", "_")


@dataclass(frozen=True, slots=True)
class Distribution:
    """The distribution of a new plugin, by the plugin's name."""

    plugin: str
    variant: Variant

    @property
    def name(self) -> str:
        return distribution_name(self.plugin)

    @property
    def kind(self) -> str:
        """The name of its kind: the plugin's, as far as it fits."""
        return self.plugin.replace("-", "")[:_LONGEST_KIND]

    @property
    def plural(self) -> str:
        """The plural of its kind."""
        return f"{self.kind}s"

    @property
    def variable(self) -> str:
        """The start of the names of its variables."""
        return self.plugin.upper().replace("-", "_")

    def load(self, folder: Path) -> str:
        """Return the words before a command that load the plugin in it."""
        section = f"{{key_file: {self._key(folder)}}}" if self.variant.keyed else "{}"
        name = f"SPAWNPENNY_PLUGINS__{self.plugin.upper()}"
        # A shell sets no variable with a dash in its name; env does.
        return f"env {shlex.quote(f'{name}={section}')}" if "-" in name else f"{name}={shlex.quote(section)}"

    def preparation(self, folder: Path) -> list[str]:
        """Return the commands that make what its section of the settings names."""
        if not self.variant.keyed:
            return []
        return [f"(umask 077; python3 -c {shlex.quote(_KEY)} > {shlex.quote(str(self._key(folder)))})"]

    def files(self, folder: Path) -> Iterator[tuple[Path, str]]:
        """Yield the path, relative to the folder, and the text of each file."""
        module = module_name(self.plugin)
        words = {
            "name": self.plugin,
            "distribution": self.name,
            "module": module,
            "variable": self.variable,
            "kind": self.kind,
            "plural": self.plural,
            "summary": self.variant.summary,
            "load": self.load(folder),
        }
        for template, path in _templates(self.variant.folder):
            parts = [module if part == "module" else part for part in path.parts]
            yield Path(*parts), Template(template.read_text(encoding="utf-8")).substitute(words)

    def _key(self, folder: Path) -> Path:
        return folder / f"{self.plugin}.key"


def write(distribution: Distribution, folder: Path) -> int:
    """Write a distribution into a new or empty folder, and return the number of files.

    Raises:
        UsageError: The folder is a file, or not empty.
        CommandError: It cannot be written. What was written is deleted.

    """
    written: list[Path] = []
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            what = "is not empty" if folder.is_dir() else "is a file"
            raise UsageError(f"{folder} {what}. Nothing was written; name another folder with --folder.")
        for path, text in distribution.files(folder.absolute()):
            _write(folder / path, text, written)
    except OSError as error:
        for path in reversed(written):
            path.rmdir() if path.is_dir() else path.unlink()
        raise CommandError(f"{error.filename or folder} cannot be written: {error.strerror}.") from None
    return sum(path.is_file() for path in written)


def _write(file: Path, text: str, written: list[Path]) -> None:
    """Write a new file, and its folders; add all that is new to a list."""
    for folder in reversed(file.parents):
        if not folder.exists():
            folder.mkdir()
            written.append(folder)
    with file.open("x", encoding="utf-8") as stream:
        written.append(file)
        stream.write(text)


def _templates(variant: str) -> Iterator[tuple[Traversable, Path]]:
    root = files("spawnpenny.cli.plugin").joinpath("templates")
    for folder in (_COMMON, variant):
        yield from _within(root.joinpath(folder), Path())


def _within(folder: Traversable, path: Path) -> Iterator[tuple[Traversable, Path]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _within(entry, path / entry.name)
        else:
            name = entry.name.removesuffix(_SUFFIX)
            yield entry, path / (f".{name}" if name in _DOTTED else name)
