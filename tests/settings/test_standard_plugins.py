"""Standard plugins are known by a file in their package."""

from __future__ import annotations

from importlib.metadata import EntryPoint

from spawnpenny.settings.standard_plugins import MARKER, standard_plugins


def test_a_plugin_is_standard_by_a_file_in_its_package_which_is_not_imported(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("marked", "plain"):
        package = tmp_path / f"acme_{name}"
        package.mkdir()
        (package / "__init__.py").write_text("raise RuntimeError('it was imported')")
    (tmp_path / "acme_marked" / MARKER).touch()
    (tmp_path / "acme_file.py").touch()
    modules = {"b": "acme_marked", "a": "acme_marked:plugin", "c": "acme_plain", "d": "acme_file", "e": "acme_absent"}
    entries = [EntryPoint(name, module, "spawnpenny") for name, module in modules.items()]
    assert standard_plugins(entries) == ("a", "b")
