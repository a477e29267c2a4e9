"""The page that sets SpawnpennyCluster beside other classes is what its script makes of their signatures."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("dask_classes", ROOT / "tools/dask_classes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_script_writes(script):
    assert script.PAGE.read_text() == script.page()


def test_what_differs_is_of_members_that_there_are(script):
    found = {
        f"{name}.{member}"
        for name in script.CLASSES
        for member in (
            script.json.loads(script.RECORD.read_text()) if name == "KubeCluster" else script.recorded(name)
        )["members"]
    }
    assert set(script.DIFFERENCES) <= found


def test_a_parameter_that_is_nowhere_here_is_not_passed_over(script):
    with pytest.raises(ValueError, match=r"DIFFERENCES.*further"):
        script.verdict("Cluster", "get_logs", "(cluster, further)", {"get_logs": "(cluster)"})
