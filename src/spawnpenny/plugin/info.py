"""Facts about plugins, for lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint

from spawnpenny.plugin.plugin_files import PLUGINS_DIR, PluginFiles


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """A plugin: its name, the distribution that brings it, whether it is loaded, and its steps.

    The distribution of a file in the folder ``plugins_dir`` is ``plugins_dir``, its module the path, and its version
    the start of the SHA-256 of the loaded file.
    """

    name: str
    distribution: str
    version: str
    module: str
    loaded: bool
    steps: tuple[str, ...] = ()


def plugin_infos(
    installed: Iterable[EntryPoint],
    files: PluginFiles,
    is_loaded: Callable[[str], bool],
    steps: Mapping[str, tuple[str, ...]],
) -> list[PluginInfo]:
    """Return all installed plugins and those in ``plugins_dir``, loaded or not, by name."""
    found = [*_of_distributions(installed, is_loaded, steps), *_of_files(files, is_loaded, steps)]
    return sorted(found, key=lambda info: info.name)


def _of_distributions(
    installed: Iterable[EntryPoint], is_loaded: Callable[[str], bool], steps: Mapping[str, tuple[str, ...]]
) -> Iterator[PluginInfo]:
    for entry in installed:
        yield PluginInfo(
            name=entry.name,
            distribution=entry.dist.name if entry.dist else "unknown",
            version=entry.dist.version if entry.dist else "unknown",
            module=entry.value,
            loaded=is_loaded(entry.name),
            steps=steps.get(entry.name, ()),
        )


def _of_files(
    files: PluginFiles, is_loaded: Callable[[str], bool], steps: Mapping[str, tuple[str, ...]]
) -> Iterator[PluginInfo]:
    for name, path in files.paths.items():
        yield PluginInfo(
            name=name,
            distribution=PLUGINS_DIR,
            version=files.digests.get(name, ""),
            module=str(path),
            loaded=name in files.digests and is_loaded(name),
            steps=steps.get(name, ()),
        )
