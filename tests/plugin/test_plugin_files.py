"""Plugins of one file each in ``plugins_dir``: loaded as any other, or refused with the file and the line."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from spawnpenny.admin.check.notes import notes_on_plugins
from spawnpenny.cli.command import run
from spawnpenny.errors import PluginError
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.plugin.problems import plugin_problems
from spawnpenny.settings.load import load_settings, make_settings
from spawnpenny.testing.site import settled, start

WELCOME = """
from __future__ import annotations
from dataclasses import dataclass
from spawnpenny.api import Step, allow, hookimpl, schema_of

@dataclass(frozen=True, slots=True)
class WelcomeSettings:
    greeting: str = "Hello"

class Welcome(Step):
    name, kinds, scope, needs = "welcome", frozenset({"lab"}), "user", frozenset({"namespace"})
    permissions = (allow("create", "patch", on="configmaps"),)

    def __init__(self, settings):
        self.settings = settings

    def manifests(self, spawn):
        text = f"{self.settings.greeting}, {spawn.user.username}!"
        content = {"metadata": {"name": "welcome"}, "data": {"text": text}}
        return [{"apiVersion": "v1", "kind": "ConfigMap", **content}]

@hookimpl
def spawnpenny_steps(settings):
    return [Welcome(settings.load("welcome", schema_of(WelcomeSettings)()))]
"""
HOOK = "from spawnpenny.api import hookimpl\n@hookimpl\ndef spawnpenny_steps():\n    return []\n"


@pytest.fixture
def folder(tmp_path):
    """Make a folder as Kubernetes mounts a ConfigMap: each file is a link into the folder that ``..data`` names."""
    folder = tmp_path / "plugins"
    (folder / "..2026_11_30").mkdir(parents=True)
    (folder / "..data").symlink_to("..2026_11_30")
    return folder


@pytest.fixture
def put(folder):
    """Return a function that adds a file to the folder, and returns the file itself."""

    def put(name, source=HOOK):
        file = folder / "..2026_11_30" / name
        file.write_bytes(source if isinstance(source, bytes) else source.encode())
        (folder / name).symlink_to(f"..data/{name}")
        return file

    return put


def settings(folder, **plugins):
    return make_settings({"plugins_dir": str(folder), "plugins": {"namespace": {}, **plugins}})


def refusal(folder, *names):
    chosen = settings(folder, **{name: {} for name in names})
    with pytest.raises(PluginError) as refused:
        load_plugins(chosen)
    assert refused.value.message in plugin_problems(chosen)
    return refused.value.message


async def test_a_file_is_a_plugin_with_its_section_as_any_other(embedded_site, folder, put):
    put("welcome.py", WELCOME)
    embedded_site.data["plugins_dir"] = str(folder)
    embedded_site.data["plugins"]["welcome"] = {"greeting": "Welcome"}
    async with embedded_site.service() as service:
        run = await settled(await start(service))
        assert run.record.reason is None
    assert (await embedded_site.read("ConfigMap", "welcome"))["data"] == {"text": "Welcome, ada!"}


def test_only_what_the_settings_name_is_loaded_and_all_is_listed(folder, put, tmp_path):
    put("welcome.py", WELCOME)
    put("broken.py", "raise OSError")
    put("My_Plugin.py", "raise OSError")
    put("README", "no plugin")
    plugins = load_plugins(settings(folder, welcome={}))
    files = {info.name: info for info in plugins.infos() if info.distribution == "plugins_dir"}
    assert {name: (info.loaded, info.steps) for name, info in files.items()} == {
        "broken": (False, ()),
        "welcome": (True, ("welcome",)),
    }
    assert (files["welcome"].module, len(files["welcome"].version)) == (str(folder / "welcome.py"), 12)
    notes = list(notes_on_plugins(plugins))
    assert any("My_Plugin.py in plugins_dir cannot be loaded" in note for note in notes)
    assert any("The plugin broken is in plugins_dir but not loaded" in note for note in notes)


def test_the_command_lists_them_even_if_one_is_broken(folder, put, capsys, monkeypatch):
    put("welcome.py", WELCOME)
    monkeypatch.setenv("SPAWNPENNY_PLUGINS_DIR", str(folder))
    monkeypatch.setenv("SPAWNPENNY_PLUGINS__WELCOME", "{}")
    assert run(["plugins"]) == 0
    (line,) = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("welcome ")]
    assert (line[1], line[2], line[4:]) == ("yes", "plugins_dir", [str(folder / "welcome.py"), "welcome"])
    put("broken.py", "def")
    monkeypatch.setenv("SPAWNPENNY_PLUGINS__BROKEN", "{}")
    assert run(["plugins"]) == 2
    out, err = capsys.readouterr()
    assert [line.split()[1] for line in out.splitlines() if "plugins_dir" in line] == ["requested", "requested"]
    assert "broken.py, line 1: invalid syntax" in err


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\ndef f(:\n", "/{name}, line 2: invalid syntax."),
        ("if True:\nx = 1\n", "/{name}, line 2: expected an indented block after 'if' statement on line 1."),
        ("\n\nimport no_such_module\n", "/{name}, line 3: ModuleNotFoundError: No module named 'no_such_module'"),
        ("def f():\n    return 1 / 0\n\nf()\n", "/{name}, line 2: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(3)\n", "/{name}, line 2: SystemExit: 3"),
        (b"x = '\xff'\n", "(unicode error) 'utf-8' codec can't decode byte 0xff"),
        (b"x = 1\0\n", "null bytes"),
        ("x = 1\n", "The plugin 'bad' has no hook: each needs the decorator @hookimpl."),
        (HOOK.replace("steps", "stepps"), "unknown hook spawnpenny_stepps. Did you mean spawnpenny_steps?"),
    ],
)
def test_a_file_that_is_no_plugin_is_refused_with_its_line(folder, put, source, message):
    put("bad.py", source)
    assert message.format(name="bad.py") in refusal(folder, "bad")
    assert "plugins_dir:bad" not in sys.modules or "hook" in message


def test_a_name_that_is_an_installed_plugin_too_is_refused(folder, put):
    put("quota.py")
    assert refusal(folder, "quota") == (
        f"The plugin 'quota' is installed (spawnpenny-quota 0.1.0), and in plugins_dir as {folder / 'quota.py'}. "
        "Rename the file."
    )
    assert load_plugins(settings(folder)).steps  # nobody requested it


def test_a_plugin_hides_no_module_and_no_module_hides_it(folder, put):
    put("json.py", HOOK)
    put("spawnpenny.py", HOOK)
    plugins = load_plugins(settings(folder, json={}, spawnpenny={}))
    assert {info.name for info in plugins.infos() if info.loaded} == {"json", "namespace", "spawnpenny"}
    assert sys.modules["json"].__name__ == "json"
    assert hasattr(sys.modules["spawnpenny"], "__path__")


def test_a_name_without_a_file_is_refused_with_the_nearest(folder, put):
    put("welcome.py")
    put("my_plugin.py")
    message = refusal(folder, "welcom")
    assert "in plugins_dir: welcome" in message
    assert "Did you mean 'welcome'?" in message
    assert refusal(folder, "my-plugin").endswith("Rename my_plugin.py to my-plugin.py.")


def test_a_folder_that_does_not_exist_is_refused(tmp_path):
    assert refusal(tmp_path / "none") == (
        f"The folder {tmp_path / 'none'} (plugins_dir) cannot be read: No such file or directory."
    )


def test_a_folder_without_files_changes_nothing(folder):
    assert {info.name for info in load_plugins(settings(folder)).infos() if info.loaded} == {"namespace"}


def test_the_environment_names_the_folder():
    assert load_settings(None, {"SPAWNPENNY_PLUGINS_DIR": "/etc/plugins"}).plugins_dir == "/etc/plugins"


@pytest.mark.parametrize(
    ("place", "mode"),
    [("plugins/..2026_11_30/welcome.py", 0o666), ("plugins/..2026_11_30", 0o777), ("plugins", 0o775), (".", 0o777)],
)
def test_what_others_can_write_is_not_loaded(folder, put, tmp_path, place, mode):
    put("welcome.py")
    (tmp_path / place).chmod(mode)
    message = refusal(folder, "welcome")
    who = "everybody" if mode & 0o002 else f"the group {os.getegid()}"
    changed = (tmp_path / place).resolve()
    assert message == (
        f"The plugin 'welcome' is not loaded from plugins_dir: {changed} can be changed by {who}. "
        f"To forbid that: chmod go-w {changed}"
    )
    changed.chmod(0o755)
    assert load_plugins(settings(folder, welcome={}))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("place", ["..2026_11_30/welcome.py", "..2026_11_30", "welcome.py", "..data"])
def test_what_belongs_to_another_user_is_not_loaded(folder, put, place):
    put("welcome.py")
    os.chown(folder / place, 65534, 65534, follow_symlinks=False)
    message = refusal(folder, "welcome")
    assert f"{folder / place} belongs to the user 65534, who could change it." in message


def test_a_link_that_leads_in_a_circle_or_elsewhere_is_followed_with_care(folder, put, tmp_path):
    (folder / "round.py").symlink_to("round.py")
    assert "provides it" in refusal(folder, "round")
    other = tmp_path / "open"
    other.mkdir()
    (other / "far.py").write_text(HOOK)
    other.chmod(0o777)
    (folder / "far.py").symlink_to(other / "far.py")
    assert f"{other} can be changed by everybody" in refusal(folder, "far")


MOUNT = """
mount -t tmpfs -o mode=0777 plugins "$1"
mkdir "$1/..2026" && cp "$2" "$1/..2026/welcome.py" && ln -s ..2026 "$1/..data"
ln -s ..data/welcome.py "$1/welcome.py"
chmod 0777 "$1/..2026"
"$3" -m spawnpenny plugins && exit 9
mount -o remount,ro "$1"
exec "$3" -m spawnpenny plugins
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a folder")
@pytest.mark.slow
def test_a_folder_that_everybody_can_write_is_loaded_where_it_is_mounted_read_only(tmp_path, monkeypatch):
    """Kubernetes mounts a ConfigMap so."""
    folder, source = tmp_path / "mounted", tmp_path / "welcome.py"
    folder.mkdir()
    source.write_text(WELCOME)
    monkeypatch.setenv("SPAWNPENNY_PLUGINS_DIR", str(folder))
    monkeypatch.setenv("SPAWNPENNY_PLUGINS__WELCOME", "{}")
    command = ["unshare", "--mount", "sh", "-c", MOUNT, "mount", str(folder), str(source), sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{folder} can be changed by everybody" in done.stderr
    states = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("welcome ")]
    assert states == ["requested", "yes"]
