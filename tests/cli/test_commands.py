"""The command line: what it prints, and how it exits."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from spawnpenny.cli.command import command, run
from spawnpenny.cli.printable import printable

WITHOUT_SERVER = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"click", "rich", "structlog", "marshmallow", "pluggy", "yaml", "psutil",
                                      "apispec", "aiohttp_sse", "prometheus_client", "kubernetes_asyncio"}:
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
    output = capsys.readouterr().out
    steps = re.findall(r"^   (\S+)", output, re.MULTILINE)
    assert steps.index("namespace") < steps.index("quota") < steps.index("lab.secret") < steps.index("lab.pod")
    assert "(side by side)" in output
    assert "needs lab.secret" in output
    assert "ignored" not in output


WELCOME = """
from spawnpenny.api import Step, hookimpl

class Welcome(Step):
    name, scope, before = "welcome", "user", frozenset({"lab", "dask"})

@hookimpl
def spawnpenny_steps():
    return [Welcome()]
"""


@pytest.fixture
def welcome(tmp_path, monkeypatch):
    """Install a site's plugin with a step before labs and Dask clusters."""
    info = tmp_path / "site_welcome-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: site-welcome\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[spawnpenny]\nwelcome = site_welcome\n")
    (tmp_path / "site_welcome.py").write_text(WELCOME)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("welcome")
def test_what_is_ignored_is_printed_and_who_names_it_when_asked_for(capsys, settings):
    without = settings("plugins: {namespace: {}, quota: {}, user: {}, lab: {}, welcome: {}}")
    assert run(["pipeline", "--settings", without]) == 0
    output = capsys.readouterr().out
    assert "ignored, as no loaded plugin has it: dask" in output
    assert "welcome says before dask" not in output
    assert run(["pipeline", "--all", "--settings", without]) == 0
    assert "ignored: welcome says before dask, which no loaded plugin has" in capsys.readouterr().out


def test_the_pipeline_of_another_kind_is_printed(capsys):
    assert run(["pipeline", "--kind", "user"]) == 0
    assert "user.provision" in capsys.readouterr().out


def test_the_plugins_are_printed_with_where_they_are_from(capsys, settings):
    file = settings("plugins: {namespace: {}, user: {}, lab: {}}")
    assert run(["plugins", "--settings", file]) == 0
    rows = {line.split()[0]: line.split()[1:4] for line in capsys.readouterr().out.splitlines()}
    assert rows["lab"][:2] == ["yes", "spawnpenny-lab"]
    assert rows["quota"][:2] == ["no", "spawnpenny-quota"]


@pytest.mark.parametrize(
    ("plugins", "row", "message"),
    [
        ("{quota: {}, lab: {}}", r"lab +requested .* lab\.secret, lab\.pod$", "needs 'namespace'"),
        ("{quotta: {}}", r"quotta +requested +not installed$", "Did you mean 'quota'?"),
        ("{quota: {lab: 1}}", r"quota +requested .* \?$", "did you mean 'labs'?"),
    ],
)
def test_plugins_that_do_not_fit_together_are_printed_too(capsys, settings, plugins, row, message):
    assert run(["plugins", "--settings", settings(f"plugins: {plugins}")]) == 2
    out, err = capsys.readouterr()
    assert re.search(f"^{row}", out, re.MULTILINE)
    assert message in err


def test_the_openapi_document_is_printed(capsys):
    assert run(["openapi"]) == 0
    assert json.loads(capsys.readouterr().out)["openapi"].startswith("3.")


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("wbe: {}", "'wbe'"),
        ("plugins: {quotta: {}}", "'quotta'"),
        ("plugins: {lab: {}}", "'lab."),
        ("web: {}\ncluster: [", "settings.yaml is not YAML, at line 2, column 11."),
        ("tab: a\n\tb: c", "settings.yaml is not YAML, at line 2, column 1."),
        ("a: '\1'", "settings.yaml is not YAML, at line 1, column 5."),
        ("web: {port: 1}\nweb: {}", "settings.yaml has the key 'web' twice, at line 2, column 1."),
        ("web: {port: 1, 'port': 2}", "has the key 'port' twice, at line 1, column 16."),
    ],
)
def test_wrong_settings_are_one_sentence_and_exit_2(capsys, settings, text, culprit):
    assert run(["pipeline", "--settings", settings(text)]) == 2
    output = capsys.readouterr().err
    assert culprit in output
    assert output.count("\n") == 1


def test_a_key_that_only_overrides_a_merged_one_is_not_there_twice(capsys, settings):
    text = "web: &a {host: 127.0.0.1, port: 1}\ndeadlines: {<<: &b {spawn: 9}, spawn: 8}"
    assert run(["plugins", "--settings", settings(text)]) == 0


def test_serve_without_kubernetes_says_what_to_set(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert run(["serve"]) == 2
    assert capsys.readouterr().err == (
        "No Kubernetes cluster was found: there is neither a pod's ServiceAccount nor a kubeconfig. "
        "Set cluster: embedded to run on this machine.\n"
    )


@pytest.mark.parametrize("name", ["..", "a/b", "", "a\nb", "x" * 256])
def test_a_demo_for_a_name_that_may_not_be_used_is_wrong_usage(capsys, name):
    assert run(["demo", "--user", name]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("--user: The username ")


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("The image naïve:1 cannot be pulled.", "The image naïve:1 cannot be pulled."),
        ("\x1b]0;owned\x07 and \x1b[2J", "\\x1b]0;owned\\x07 and \\x1b[2J"),
        ("back\rwards \u202e \x9b1m", "back\\rwards \\u202e \\x9b1m"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_a_terminal_obeys_nothing_that_a_service_quotes(text, shown):
    assert printable(text) == shown


def test_the_help_lists_each_subcommand_with_its_first_line_and_imports_none():
    program = """
import sys
from spawnpenny.cli.command import command, run
run(["--help"])
print(sorted(name for name in sys.modules if name.startswith("spawnpenny.")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    *shown, modules = done.stdout.splitlines()
    loaded = (
        "spawnpenny.advice",
        "spawnpenny.api",
        "spawnpenny.api.commands",
        "spawnpenny.cli",
        "spawnpenny.cli.command",
        "spawnpenny.cli.exits",
        "spawnpenny.cli.lazy_command",
        "spawnpenny.cli.options",
        "spawnpenny.cli.plugin_commands",
        "spawnpenny.errors",
    )
    assert modules == str([*loaded])
    listed = dict(line.split(maxsplit=1) for line in shown[shown.index("Commands:") + 1 :])
    assert listed == {
        name: command.get_command(None, name).get_short_help_str(len(listed[name]))
        for name in command.list_commands(None)
    }
    assert "proxy" in listed


def test_a_misspelt_subcommand_is_answered_with_the_right_one(capsys):
    assert run(["brokr"]) == 2
    assert "No such command 'brokr'. Did you mean 'broker'?" in capsys.readouterr().err


def test_the_help_shows_each_example_on_a_line_of_its_own(capsys):
    assert run(["dask", "list", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "\n    spawnpenny dask list --sort idle --limit 10\n" in shown
    assert "\\b" not in shown


@pytest.mark.parametrize("kind", ["lab", "dask"])
def test_a_rehearsal_takes_the_name_of_a_kind(capsys, kind):
    assert run(["try", "--kind", kind, "--user", "ada"]) == 0
    assert "Everything would start" in capsys.readouterr().out
