"""The command line: what it prints, and how it exits."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from spawnpenny.cli.command import run

WITHOUT_SERVER = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"click", "rich", "structlog", "marshmallow", "pluggy", "yaml", "psutil",
                                      "apispec", "aiohttp_sse", "kubernetes_asyncio"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
import spawnpenny.cli
sys.argv = ["spawnpenny", "serve"]
spawnpenny.cli.main()
"""


@pytest.fixture
def settings(tmp_path):
    def write(text):
        file = tmp_path / "settings.yaml"
        file.write_text(text)
        return str(file)

    return write


def test_the_pipeline_is_printed_with_its_order_and_its_reasons(capsys):
    assert run(["pipeline"]) == 0
    told = capsys.readouterr().out
    steps = re.findall(r"^   (\S+)", told, re.MULTILINE)
    assert steps.index("namespace") < steps.index("quota") < steps.index("lab.secret") < steps.index("lab.pod")
    assert "(side by side)" in told
    assert "needs lab.secret" in told
    assert "ignored: quota says before dask, which no loaded plugin has" in told


def test_the_pipeline_of_another_kind_is_printed(capsys):
    assert run(["pipeline", "--kind", "user"]) == 0
    assert "user.provision" in capsys.readouterr().out


def test_the_plugins_are_printed_with_where_they_are_from(capsys, settings):
    file = settings("plugins: {namespace: {}, user: {}, lab: {}}")
    assert run(["plugins", "--settings", file]) == 0
    rows = {line.split()[0]: line.split()[1:4] for line in capsys.readouterr().out.splitlines()}
    assert rows["lab"][:2] == ["yes", "spawnpenny-lab"]
    assert rows["quota"][:2] == ["no", "spawnpenny-quota"]


def test_the_openapi_document_is_printed(capsys):
    assert run(["openapi"]) == 0
    assert json.loads(capsys.readouterr().out)["openapi"].startswith("3.")


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("wbe: {}", "'wbe'"),
        ("plugins: {quotta: {}}", "'quotta'"),
        ("plugins: {lab: {}}", "'lab."),
        ("web: [", "not YAML"),
    ],
)
def test_wrong_settings_are_one_sentence_and_exit_2(capsys, settings, text, culprit):
    assert run(["pipeline", "--settings", settings(text)]) == 2
    told = capsys.readouterr().err
    assert culprit in told
    assert "Traceback" not in told


@pytest.mark.parametrize("arguments", [["--bogus"], ["serve", "--port", "x"], ["nothing"]])
def test_wrong_usage_exits_2(capsys, arguments):
    assert run(arguments) == 2
    assert "Error" in capsys.readouterr().err


def test_without_the_server_extra_the_command_says_what_to_install():
    done = subprocess.run(  # the modules are hidden in a process of its own
        [sys.executable, "-c", WITHOUT_SERVER], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install 'spawnpenny[server]'" in done.stderr
    assert "Traceback" not in done.stderr
