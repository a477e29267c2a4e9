"""Plugins of one file each, in the folder ``plugins_dir`` of the settings, as a mounted ConfigMap has them."""

from __future__ import annotations

import hashlib
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Final

from spawnpenny.errors import PluginError
from spawnpenny.plugin.file_safety import unsafe_place

PLUGINS_DIR: Final = "plugins_dir"
"""The setting, and what stands for the distribution of a plugin of one file."""
_NAME: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_LARGEST: Final = 2**20


class PluginFiles:
    """The plugins in a folder, by the names of their files without ``.py``; none without a folder.

    Attributes:
        folder: The folder, or None.
        paths: The files, by the names of their plugins.
        misnamed: Files whose names cannot be a plugin's, such as ``my_plugin.py``.
        digests: The start of the SHA-256 of each loaded file, by the name of its plugin.

    Raises:
        PluginError: The folder does not exist, or cannot be read.

    """

    def __init__(self, folder: str | None) -> None:
        self.folder = folder
        self.digests: dict[str, str] = {}
        files = _python_files(folder) if folder is not None else []
        self.paths = {path.stem: path for path in files if _NAME.fullmatch(path.stem)}
        self.misnamed = [path for path in files if path.stem not in self.paths]

    def __contains__(self, name: str) -> bool:
        return name in self.paths

    def load(self, name: str) -> ModuleType:
        """Load a plugin from its file.

        Raises:
            PluginError: Somebody else could change the file, it cannot be read, or it fails.

        """
        path = self.paths[name]
        module = ModuleType(_module_name(name), f"The plugin in {path}.")
        module.__file__ = str(path)
        source = _read(name, path)
        # Dataclasses and type hints look their module up.
        sys.modules[module.__name__] = module
        try:
            exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - a plugin is code
        except (Exception, SystemExit) as error:
            del sys.modules[module.__name__]
            raise PluginError(f"The plugin {name!r} cannot be loaded: {_fault(error, path)}") from error
        self.digests[name] = hashlib.sha256(source).hexdigest()[:12]
        return module


def _python_files(folder: str) -> list[Path]:
    try:
        return sorted(path for path in Path(folder).iterdir() if path.suffix == ".py" and path.is_file())
    except OSError as error:
        raise PluginError(f"The folder {folder} (plugins_dir) cannot be read: {error.strerror}.") from None


def _module_name(name: str) -> str:
    """Return the name of the module of a plugin: no installed module can have it, as it is no name to import."""
    return f"plugins_dir:{name}"


def _read(name: str, path: Path) -> bytes:
    try:
        fault = unsafe_place(path)
        if fault is None and path.stat().st_size > _LARGEST:
            fault = f"{path} is larger than {_LARGEST} bytes."
        if fault is None:
            return path.read_bytes()
    except OSError as error:
        fault = f"{path} cannot be read: {error.strerror}."
    raise PluginError(f"The plugin {name!r} is not loaded from plugins_dir: {fault}")


def _fault(error: BaseException, path: Path) -> str:
    """Return what is wrong with a file, with its line."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}, line {error.lineno}: {error.msg}."
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    place = f"{path}, line {lines[-1]}" if lines else str(path)
    text = str(error)
    return f"{place}: {type(error).__name__}{f': {text}' if text else ''}"
