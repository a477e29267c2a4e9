"""JupyterHub's own tests of spawners, pages and API, from the installed packages, with our spawner in place of theirs.

``exceptions.json`` names those that do not apply, and why.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import xml.etree.ElementTree as ET
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import spawnpenny
from spawnpenny.auth.static_tokens import hash_token
from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.testing.processes import output_of
from spawnpenny.testing.site import make_site
from spawnpenny.testing.web_server import serve_site

HERE = Path(__file__).parent
TOKEN = "the-hub-of-the-tests"
MOCK_SERVER = """
import os, runpy, urllib.parse
url = urllib.parse.urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
os.environ["JUPYTERHUB_SERVICE_URL"] = url._replace(netloc="{pod_ip}:8888").geturl()
runpy.run_module("jupyterhub.tests.mocksu", run_name="__main__")
"""
MODULES = ("test_spawner", "test_named_servers", "test_pages", "test_api")
FULL = os.environ.get("SPAWNPENNY_TEST_ALL") == "1"
SAMPLES = {"jupyterhub6": {"test_spawner": ""}, "jupyterhub5": {}}
PYTHONS = {"jupyterhub6": sys.executable, "jupyterhub5": os.environ.get("SPAWNPENNY_JUPYTERHUB5")}


@asynccontextmanager
async def serving(folder, python):
    """Run a service whose labs are JupyterHub's mock servers; yield its URL."""
    async with EmbeddedCluster(folder, {"spawnpenny/lab": (python, "-c", MOCK_SERVER)}) as cluster:
        site = await make_site(cluster)
        site.data["plugins"] = {"namespace": {}, "user": {}, "lab": {"grace": 1}}
        site.data["tokens"] = {"hub": {"sha256": hash_token(TOKEN), "scopes": ["admin"]}}
        site.data["limits"] = {"starts": 6000}
        async with serve_site(site) as server:
            yield server.url


async def run(python, module, which, url, folder):
    """Run JupyterHub's tests of a module; return all that they wrote, which passed, and which did not."""
    folder.mkdir()
    source = Path(spawnpenny.__file__).parents[1]
    env = {key: value for key, value in os.environ.items() if not key.startswith(("SPAWNPENNY", "PYTEST", "PYTHON"))}
    env |= {
        "PYTHONPATH": f"{source}:{HERE}",
        "SPAWNPENNY_URL": url,
        "SPAWNPENNY_TOKEN": TOKEN,
        "SPAWNPENNY_EXCEPTIONS": str(HERE / "exceptions.json"),
    }
    loops = [f"asyncio_default_{what}_loop_scope=module" for what in ("fixture", "test")]
    options = [part for item in ("asyncio_mode=auto", *loops) for part in ("-o", item)]
    quiet = ["-q", "--no-header", "-p", "no:cacheprovider", "-W", "ignore", "-c", os.devnull, "--rootdir", str(folder)]
    _, output = await output_of(
        *(python, "-m", "pytest", "-p", "swapped", *quiet, *options, "--junitxml", "results.xml"),
        *("-k", which, "--pyargs", f"jupyterhub.tests.{module}"),
        cwd=folder,
        env=env,
    )
    return output, results(folder / "results.xml")


def results(path):
    """Return which tests passed, and which did not."""
    passed, others = set(), set()
    for case in ET.parse(path).iter("testcase"):
        (others if list(case.iter("failure")) + list(case.iter("error")) else passed).add(case.get("name"))
    return passed, others


def cases():
    """Yield which tests of which modules run: all of them in a full run, else a sample that has each kind."""
    for version in PYTHONS:
        for module in MODULES:
            which = "" if FULL else SAMPLES[version].get(module)
            if which is not None:
                yield pytest.param(version, module, which, id=f"{version}-{module}")


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("version", "module", "which"), list(cases()))
async def test_jupyterhubs_own_tests_pass_with_our_spawner(version, module, which, tmp_path):
    python = PYTHONS[version]
    if python is None:
        pytest.skip("SPAWNPENNY_JUPYTERHUB5 names no Python of an environment with JupyterHub 5")
    if shutil.which("configurable-http-proxy") is None:
        pytest.skip("configurable-http-proxy is not in PATH: npm ci --prefix tools/node")
    async with serving(tmp_path / "cluster", python) as url:
        output, (passed, others) = await run(python, module, which, url, tmp_path / "hub")
    assert passed, output[-5000:]
    assert others == set(), output[-20000:]


def test_the_page_says_which_of_them_do_not_apply_and_why():
    page = (HERE.parents[2] / "docs" / "how-to" / "jupyterhub.md").read_text(encoding="utf-8")
    for module, tests in json.loads((HERE / "exceptions.json").read_text(encoding="utf-8")).items():
        for test, why in tests.items():
            assert f"| `{module}.py`: `{test}` | {why} |\n" in page
