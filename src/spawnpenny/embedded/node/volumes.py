"""The volumes of a pod as folders and files, and their mount paths.

A process here sees the machine's own file system, so a volume cannot be at its mountPath. It is at ``<pod
folder>/root<mountPath>``, and the environment, arguments and working directory of a container are rewritten to that
path (``Mounts.rewrite``), even within a longer text, such as a shell script in an argument. A path in the code of a
program, or one that the program composes, is not rewritten.
"""

from __future__ import annotations

import posixpath
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spawnpenny.embedded.api.validation import is_inside
from spawnpenny.embedded.node.sources import MissingSourceError, Sources

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spawnpenny.embedded.node.folder import Folder
    from spawnpenny.kubernetes.interface import Manifest

_INSIDE_PATH: Final = re.compile(r"[\w.~$*?\])}`/-]\Z")
_OPENING_QUOTE: Final = re.compile(r"""(?:\A|[^\w$)}\]'"])(?:[fFrRbBuU]{1,2})?["']\Z""")
_NEEDS_NO_QUOTES: Final = re.compile(r"[\w@%+=:,./-]+")
_READABLE: Final = 0o644
_OWNER_WRITES: Final = 0o600


class Volumes:
    """The volumes of one pod."""

    def __init__(self, pod: Manifest, folder: Folder, sources: Sources) -> None:
        self._specs: list[Manifest] = pod["spec"].get("volumes") or []
        self._namespace: str = pod["metadata"]["namespace"]
        self._folder = folder
        self._home = folder.pod(pod["metadata"]["uid"])
        self._sources = sources
        self._paths: dict[str, Path] = {}
        self._regular = {container["name"] for container in pod["spec"]["containers"]}
        self._mounted: dict[str, Path] = {}
        self._links: dict[Path, Path] = {}

    def prepare(self) -> None:
        """Make all volumes.

        Raises:
            MissingSourceError: A source does not exist (yet); the call can be repeated.

        """
        self._home.mkdir(parents=True, exist_ok=True)
        for spec in self._specs:
            name: str = spec["name"]
            if not is_inside(name) or "/" in name:
                raise MissingSourceError(f"the volume name {name!r} is not valid")
            try:
                self._paths[name] = self._make(spec, self._home / "volumes" / name)
            except (MissingSourceError, OSError) as error:
                raise MissingSourceError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from None

    def mount(self, container: Manifest) -> Mounts:
        """Link a container's volumes to their mount paths.

        Raises:
            MissingSourceError: A volume cannot be mounted; the message says why.

        """
        root = self._home / "root"
        places: dict[str, Path] = {}
        mounts = container.get("volumeMounts") or []
        for mount in sorted(mounts, key=lambda mount: len(normal(mount["mountPath"]))):
            path = normal(mount["mountPath"])
            if path == "/":
                raise MissingSourceError("a volume cannot be mounted at /")
            place = Path(f"{root}{path}")
            try:
                self._link(place, self._reserve(container, path, self._source(mount)))
            except OSError as error:
                raise MissingSourceError(f"cannot mount {mount['name']} at {path}: {error.strerror}") from None
            places[path] = place
        return Mounts(root, {**places, **_message_file(container, root)})

    def unmount(self) -> None:
        """Remove the links within other volumes, which outlive the pod."""
        for place, source in self._links.items():
            with suppress(OSError):
                if place.readlink() == source:
                    place.unlink()

    def _reserve(self, container: Manifest, path: str, source: Path) -> Path:
        # The containers of a pod share one root. Init containers run one after the other, so they do not conflict.
        if container["name"] in self._regular and self._mounted.setdefault(path, source) != source:
            raise MissingSourceError(f"the embedded cluster cannot mount two volumes at {path} in one pod")
        return source

    def _make(self, spec: Manifest, path: Path) -> Path:
        if "persistentVolumeClaim" in spec:
            claim: str = spec["persistentVolumeClaim"]["claimName"]
            if not self._sources.has_claim(claim):
                raise MissingSourceError(f'persistentvolumeclaim "{claim}" not found')
            path = self._folder.claim(self._namespace, claim)
        path.mkdir(parents=True, exist_ok=True)
        for field, kind, key in (("configMap", "configmap", "name"), ("secret", "secret", "secretName")):
            if (source := spec.get(field)) is not None:
                items = self._sources.items(kind, source[key], optional=bool(source.get("optional")))
                _write(path, _chosen(items, source, kind), source.get("defaultMode") or _READABLE)
                return path
        return path

    def _source(self, mount: Manifest) -> Path:
        volume = self._paths[mount["name"]]
        sub = mount.get("subPath") or ""
        if not sub:
            return volume
        source = volume / sub
        # A link that a program made in the volume must not lead out of it.
        if not is_inside(sub) or not source.resolve().is_relative_to(volume.resolve()):
            raise MissingSourceError(f"the subPath {sub!r} leaves its volume")
        if not source.exists():
            source.mkdir(parents=True)
        return source

    def _link(self, place: Path, source: Path) -> None:
        # The place may be in another volume, that is, behind a link: every parent has to stay in our folder.
        for parent in reversed(place.parents):
            if parent.is_relative_to(self._home) and not parent.resolve().is_relative_to(self._folder.path):
                raise MissingSourceError(f"{place.relative_to(self._home / 'root')} leaves the pod's folder")
            if parent.is_relative_to(self._home):
                parent.mkdir(exist_ok=True)
        if place.is_symlink():
            place.unlink()
        elif place.is_dir():
            place.rmdir()  # a mount would cover an empty folder; another folder is an error
        place.symlink_to(source)
        if not place.parent.resolve().is_relative_to(self._home):
            self._links[place] = source


class Mounts:
    """The mounted volumes of one container."""

    def __init__(self, root: Path, places: Mapping[str, Path]) -> None:
        self.root = root
        self._places = places
        longest_first = "|".join(re.escape(path) for path in sorted(places, key=len, reverse=True))
        self._pattern = re.compile(rf"(?:{longest_first})(?![\w.-])") if places else None

    def rewrite(self, text: str) -> str:
        """Replace each mountPath at the start of a path in a text by its real path."""

        def replace(match: re.Match[str]) -> str:
            begins = _begins_a_path(text, match.start())
            return str(self._places[match[0]]) if begins else match[0]

        return self._pattern.sub(replace, text) if self._pattern is not None else text

    def rewrite_argument(self, text: str) -> str:
        """Rewrite a part of a command line, which may be a script.

        Raises:
            MissingSourceError: The real path would need quotes, which cannot be added to a script.

        """
        rewritten = self.rewrite(text)
        whole = self._pattern is not None and self._pattern.match(text.partition("=")[2] or text)
        if rewritten != text and not whole and not _NEEDS_NO_QUOTES.fullmatch(str(self.root)):
            raise MissingSourceError(
                f"a script that names a mounted path cannot run in the folder {str(self.root)!r}: use a folder "
                "without spaces and quotes (embedded.folder)"
            )
        return rewritten

    def inside(self, path: str) -> Path:
        """Return the real path for a path of the container: in its volume, else in the pod's own folder."""
        path = normal(path)
        rewritten = self.rewrite(path)
        return Path(rewritten) if rewritten != path else Path(f"{self.root}{path}")


def _begins_a_path(text: str, start: int) -> bool:
    """Return whether a path begins at a position of a text, and does not continue one, as in ``$HOME/data``."""
    before = text[:start]
    if before.endswith(("'", '"')):
        # A quote that opens a string, or one that closes it, as in "$HOME"/data.
        return _OPENING_QUOTE.search(before) is not None
    return not before or _INSIDE_PATH.search(before) is None


def _message_file(container: Manifest, root: Path) -> dict[str, Path]:
    """Return the place of the file with a container's last words, if its spec names one: it is empty at each start."""
    if "terminationMessagePath" not in container:
        return {}
    path = normal(container["terminationMessagePath"])
    place = Path(f"{root}{path}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
    except OSError as error:
        raise MissingSourceError(f"the terminationMessagePath {path} cannot be used: {error.strerror}") from None
    return {path: place}


def normal(path: str) -> str:
    """Make a path absolute, and resolve ``..`` so that it cannot leave the root."""
    return posixpath.normpath(f"/{path.lstrip('/')}")


def _chosen(items: dict[str, bytes], source: Manifest, kind: str) -> dict[str, tuple[bytes, int | None]]:
    if source.get("items") is None:
        return {key: (value, None) for key, value in items.items()}
    chosen = {}
    for item in source["items"]:
        if item["key"] in items:
            chosen[item["path"]] = (items[item["key"]], item.get("mode"))
        elif not source.get("optional"):
            raise MissingSourceError(f"{kind} references non-existent key: {item['key']}")
    return chosen


def _write(folder: Path, files: dict[str, tuple[bytes, int | None]], mode: int) -> None:
    for path, (content, own_mode) in files.items():
        if not is_inside(path):
            raise MissingSourceError(f"the path {path!r} leaves its volume")
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_bytes(content)
        target.chmod((own_mode or mode) & 0o777 | _OWNER_WRITES)
