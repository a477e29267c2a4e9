"""Roles and fence as a kustomize component: patches in a site's overlay, which every apply keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import yaml

from spawnpenny.errors import SettingsError
from spawnpenny.kubernetes.interface import Manifest

FOLDER: Final = "permissions"
"""The folder of the component in an overlay."""
_FILE: Final = "kustomization.yaml"
_SIGNATURE: Final = "# Written by `spawnpenny permissions --output kustomize`."
_HEAD: Final = f"""\
{_SIGNATURE} Do not edit it: write it again after each change of
# settings, plugins or version. The overlay names this folder under components, after all others.
"""

_WIDTH: Final = 110
_LONG: Final = 10_000  # the patches are texts, and keep their own lines
_VERSION: Final = "kustomize.config.k8s.io/v1alpha1"
_EMPTY: Final = f"{_SIGNATURE}\napiVersion: {_VERSION}\nkind: Component\nlabels: [{{pairs: {{}}}}]\n"


class _Dumper(yaml.SafeDumper):
    """A YAML writer that writes texts of several lines as blocks, so that diffs can be read."""


def make_component(manifests: Iterable[Manifest], fence: Iterable[Manifest]) -> str:
    """Return the kustomization file of a component that gives the base exactly these roles, and this fence."""
    patches = [_patch(manifest, "/rules", manifest["rules"]) for manifest in manifests if "rules" in manifest]
    patches += [_patch(manifest, "/spec", manifest["spec"]) for manifest in fence]
    content = {"apiVersion": _VERSION, "kind": "Component", "patches": patches}
    return _HEAD + yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=_LONG)


def write_component(overlay: Path, text: str) -> Path:
    """Write the component into an overlay, over an earlier one; return the file.

    Raises:
        SettingsError: Another file has this path, or it cannot be written.

    """
    file = overlay / FOLDER / _FILE
    try:
        if file.exists() and not file.read_text(encoding="utf-8").startswith(_SIGNATURE):
            raise SettingsError(f"{file} was not written by spawnpenny. Move it away first.")
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{file} cannot be written: {error.strerror}.") from None
    return file


@contextmanager
def placeholder_component(overlay: Path) -> Iterator[None]:
    """Write an empty component for as long as the context lasts, if the overlay names one that does not exist yet.

    kustomize does not render an overlay that names a missing folder.
    """
    file = overlay / FOLDER / _FILE
    if file.exists() or not includes_component(overlay):
        yield
        return
    file.parent.mkdir(exist_ok=True)
    file.write_text(_EMPTY, encoding="utf-8")
    try:
        yield
    finally:
        file.unlink()
        with suppress(OSError):  # the folder holds files of the administrator
            file.parent.rmdir()


def includes_component(overlay: Path) -> bool:
    """Return whether an overlay names the component."""
    for name in (_FILE, "kustomization.yml", "Kustomization"):
        file = overlay / name
        if file.is_file():
            content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
            return any(Path(component) == Path(FOLDER) for component in content.get("components") or ())
    return False


def _patch(manifest: Manifest, path: str, value: Any) -> dict[str, Any]:
    group, _, _ = manifest["apiVersion"].rpartition("/")
    metadata = manifest["metadata"]
    target = {"group": group, "kind": manifest["kind"], "name": metadata["name"]}
    if "namespace" in metadata:
        target["namespace"] = metadata["namespace"]
    return {
        "target": target,
        "patch": yaml.safe_dump([{"op": "replace", "path": path, "value": value}], sort_keys=False, width=_WIDTH),
    }


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
