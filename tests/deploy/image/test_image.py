"""The image, built and run as a cluster would: no network in the build, no root, no write outside /tmp."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import urllib.request
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

KUSTOMIZE = Path(__file__).parents[3] / "kustomize"
pytestmark = pytest.mark.timeout(900)  # the first test waits for the whole build


@pytest.fixture
def spawnpenny(image):
    """Return a function that runs the image's command, and returns what it printed."""

    def run(*arguments, **more):
        done = subprocess.run(image.command(*arguments, **more), capture_output=True, check=False, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


def test_it_runs_read_only_and_says_its_version(spawnpenny):
    assert spawnpenny("--version").strip() == version("spawnpenny")


def test_it_has_the_standard_plugins_and_prints_their_pipeline(spawnpenny):
    printed = spawnpenny("pipeline")
    assert [name for name in ("namespace", "quota", "user.files", "lab.secret", "lab.pod") if name not in printed] == []


def test_it_has_a_sites_own_plugin_whatever_its_wheel_is_called(spawnpenny):
    printed = spawnpenny("plugins", environ={"SPAWNPENNY_PLUGINS__ACME": "{}"})
    (line,) = [line for line in printed.splitlines() if "acme" in line]
    assert line.split() == ["acme", "yes", "acme-labs", "7.1", "acme_labs"]


@pytest.mark.parametrize("settings", sorted(KUSTOMIZE.rglob("settings.yaml")), ids=lambda path: path.parent.name)
def test_it_takes_the_settings_of_the_deployment(spawnpenny, settings):
    environ = {"SPAWNPENNY_SETTINGS": "/mnt/settings.yaml"}
    assert "lab.pod" in spawnpenny("pipeline", environ=environ, mounted=settings.parent)


def test_it_serves_and_ends_when_it_is_asked_to(image):
    environ = {"SPAWNPENNY_CLUSTER": "embedded", "SPAWNPENNY_EMBEDDED__FOLDER": "/tmp/cluster"}
    command = image.command("serve", "--host", "127.0.0.1", "--port", "0", environ=environ)
    # Without a shell between the two, the signal reaches the service itself.
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            entry = next(line for line in map(json.loads, process.stderr) if line["event"] == "listening")
            with urllib.request.urlopen(f"http://127.0.0.1:{entry['port']}/healthz") as response:
                assert json.load(response) == {"status": "ok"}
        finally:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_it_is_run_as_the_user_of_the_deployment(image):
    desired = set()
    for name in ("web", "broker"):
        deployment = next(yaml.safe_load_all((KUSTOMIZE / "base" / f"{name}.yaml").read_text()))
        context = deployment["spec"]["template"]["spec"]["securityContext"]
        desired.add(f"{context['runAsUser']}:{context['runAsGroup']}")
    assert desired == {image.config["User"]}
    assert image.config["Entrypoint"] == ["spawnpenny"]
    assert image.config["Labels"]["org.opencontainers.image.version"] == "test"


def test_its_user_owns_nothing_and_it_can_install_nothing(image):
    folder = image.files / "opt/spawnpenny"
    for path in (folder, *folder.rglob("*")):
        status = path.lstat()
        assert (status.st_uid, status.st_gid) == (0, 0), path
        assert path.is_symlink() or not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH), path
    assert not any(os.access(folder / "bin" / name, os.F_OK) for name in ("pip", "pip3"))
    assert not (image.files / "build").exists()
