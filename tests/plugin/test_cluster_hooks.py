"""Cluster options, worker groups, notes and migrations that plugins contribute."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from spawnpenny.api import (
    ChartMigration,
    ClusterOption,
    Kind,
    OptionSource,
    OptionType,
    User,
    WorkerGroup,
    hookimpl,
)
from spawnpenny.errors import PluginError
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.model import Settings

ADA = User("ada", 2001, 2001)
MINE = Kind("mine", "mines", "cluster of mine", scales=True, options=OptionSource.CLUSTER)
TEAM = ClusterOption("team", OptionType.STRING, "blue")


def plugin(**hooks):
    """Return a plugin with hooks, by their names without the prefix."""
    return SimpleNamespace(
        **{f"spawnpenny_{name}": hookimpl(hook, specname=f"spawnpenny_{name}") for name, hook in hooks.items()}
    )


def test_each_kind_has_options_and_groups_of_its_own_and_those_of_plugins_that_ignore_the_kind():
    mine = plugin(
        kinds=lambda: [MINE],
        cluster_options=lambda kind: [ClusterOption("size", OptionType.INT, 1)] if kind == "mine" else [],
        worker_groups=lambda kind: [WorkerGroup("gpu", 1, 2**30, 4)] if kind == "mine" else [],
    )
    site = plugin(cluster_options=lambda: [TEAM], cluster_overrides=lambda kind: {"kind": kind})
    plugins = load_plugins(Settings(), extra={"mine": mine, "site": site})
    names = {kind: [option.name for option in plugins.cluster_options(ADA, kind)] for kind in ("mine", "dask")}
    assert names["mine"] == ["size", "team"]
    assert names["dask"][-1] == "team"
    assert not {"size"} & {*names["dask"]}
    assert [group.name for group in plugins.worker_groups("mine")] == ["gpu"]
    assert "gpu" not in [group.name for group in plugins.worker_groups("dask")]
    assert plugins.cluster_overrides(ADA, {}, "mine") == [("site", {"kind": "mine"})]


def test_an_option_that_exists_already_is_refused_within_a_kind_alone():
    def twice(kind):
        return [TEAM] if kind == "mine" else []

    other = plugin(kinds=lambda: [MINE], cluster_options=twice)
    load_plugins(
        Settings(), extra={"mine": other, "site": plugin(cluster_options=lambda kind: [TEAM][kind == "mine" :])}
    )
    with pytest.raises(PluginError, match="has a cluster option 'team' that exists already"):
        load_plugins(Settings(), extra={"mine": other, "site": plugin(cluster_options=lambda: [TEAM])})


def test_notes_and_migrations_are_those_of_all_plugins():
    motd = ChartMigration("motd", lambda values: {"plugins.motd.text": values["text"]})
    site = plugin(notes=lambda: ["Nobody is admitted."], chart_migrations=lambda: [motd])
    plugins = load_plugins(Settings(), extra={"site": site})
    assert "Nobody is admitted." in plugins.notes()
    assert [migration.chart for migration in plugins.chart_migrations()] == ["dask-gateway", "motd"]


@pytest.mark.parametrize("notes", ["one text", [1], None])
def test_notes_of_another_type_are_refused(notes):
    plugins = load_plugins(Settings(), extra={"site": plugin(notes=lambda: notes)})
    with pytest.raises(PluginError, match="spawnpenny_notes of the plugin 'site' has to return a list of str"):
        plugins.notes()
