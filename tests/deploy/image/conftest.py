"""Builds the image as CI can: by buildah, without a daemon, on a base that debootstrap makes of the host's Debian."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOOLS = ("buildah", "debootstrap", "apt-get", "unshare")
PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "acme-labs"
version = "7.1"
dependencies = ["spawnpenny[server]"]

[project.entry-points.spawnpenny]
acme = "acme_labs"

[tool.hatch.build]
include = ["acme_labs.py"]
"""
PLUGIN = """\
from spawnpenny.api import hookimpl


@hookimpl
def spawnpenny_steps(settings):
    return []
"""


def missing():
    """Say what this machine lacks for it, or nothing."""
    if os.geteuid() != 0:
        return "only root can make a base by debootstrap"
    lacking = [tool for tool in TOOLS if not shutil.which(tool, path=PATH)]
    return f"there is no {' and no '.join(lacking)}" if lacking else ""


def run(*argv, **more):
    """Run a program, and show what it said where it fails."""
    environ = {**os.environ, "PATH": PATH}
    done = subprocess.run(argv, capture_output=True, check=False, text=True, env=environ, **more)
    assert done.returncode == 0, f"{argv}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def mirror(release):
    """Return where this machine's apt has this release of Debian from."""
    targets = run("apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages")
    sites = [
        site for site, name, component in map(str.split, targets.splitlines()) if (name, component) == (release, "main")
    ]
    assert sites, f"apt has no source of {release}"
    return sites[0]


def make_base(folder):
    """Make the smallest Debian that has Python, of the release that runs here."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    run("debootstrap", "--variant=minbase", "--include=python3,python3-venv", release, str(folder), mirror(release))
    for package in (folder / "var/cache/apt/archives").glob("*.deb"):
        package.unlink()


def make_plugin(folder):
    """Write a plugin of a site's own, whose name is nothing like ours."""
    plugin = folder / "acme"
    plugin.mkdir()
    (plugin / "pyproject.toml").write_text(PYPROJECT)
    (plugin / "acme_labs.py").write_text(PLUGIN)
    return plugin


def make_context(folder, base):
    """Fill a folder with what the Dockerfile takes, as `make wheels` does, for the Python of the base."""
    for name in ("Dockerfile", ".dockerignore", "requirements-server.txt"):
        shutil.copy(ROOT / name, folder)
    message = "import sys; print('.'.join(map(str, sys.version_info[:2])))"
    version = run("chroot", str(base), "python3", "-c", message).strip()
    pip, dist = (sys.executable, "-m", "pip"), str(folder / "dist")
    ours = [str(ROOT), *(str(path.parent) for path in sorted(ROOT.glob("plugins/*/pyproject.toml")))]
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", dist, *ours, str(make_plugin(folder)))
    wheels = ("--no-deps", "--require-hashes", "--only-binary=:all:", "--python-version", version)
    run(*pip, "download", *wheels, "--dest", dist, "-r", str(ROOT / "requirements-server.txt"))


@dataclass(frozen=True)
class Image:
    """The built image: its files, and what it says about how it is run."""

    files: Path
    config: dict

    def command(self, *arguments, environ=None, mounted=None):
        """Return a command line that runs the image as a cluster would: as its user, its root file system read-only.

        Only /tmp can be written; ``mounted`` is a folder that is there as /mnt.
        """
        root, user = str(self.files), self.config["User"]
        variables = [*self.config["Env"], *(f"{name}={value}" for name, value in (environ or {}).items())]
        bind = f'mount --bind -o ro "{mounted}" "$0/mnt";' if mounted else ""
        script = (
            'set -e; mount --bind "$0" "$0"; mount -o remount,ro,bind "$0"; mount -t tmpfs tmpfs "$0/tmp";'
            f'mount -t proc proc "$0/proc"; {bind} exec chroot --userspec={user} "$0" /usr/bin/env -i "$@"'
        )
        return ["unshare", "--mount", "sh", "-c", script, root, *variables, *self.config["Entrypoint"], *arguments]


@contextmanager
def built(folder):
    """Build the image in a folder, with no network to reach, and have its files mounted until the context ends."""
    base, context = folder / "base", folder / "context"
    context.mkdir()
    make_base(base)
    make_context(context, base)
    buildah = ("buildah", "--root", str(folder / "root"), "--runroot", str(folder / "run"), "--storage-driver", "vfs")
    container = run(*buildah, "from", "scratch").strip()
    run(*buildah, "add", "--quiet", container, str(base), "/")
    run(*buildah, "commit", "--quiet", "--rm", container, "localhost/base")
    arguments = ("--build-arg", "BASE=localhost/base", "--build-arg", "VERSION=test", "--tag", "localhost/spawnpenny")
    run("unshare", "--net", *buildah, "build", "--isolation", "chroot", "--pull-never", *arguments, str(context))
    container = run(*buildah, "from", "--pull-never", "localhost/spawnpenny").strip()
    files = run(*buildah, "mount", container).strip()
    answer = json.loads(run(*buildah, "inspect", "--type", "image", "localhost/spawnpenny"))
    try:
        yield Image(Path(files), answer["OCIv1"]["config"])
    finally:
        run(*buildah, "umount", container)


@pytest.fixture(scope="session")
def image():
    """Build the image once; skip where that cannot be done."""
    if lacking := missing():
        pytest.skip(f"the image is not built: {lacking}")
    with tempfile.TemporaryDirectory(prefix="spawnpenny-image-") as folder, built(Path(folder)) as image:
        yield image
