"""A planned spawn has no cluster: type checkers refuse its use, and at run time the error says where there is one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from spawnpenny.api import PlannedSpawn, Spawn, StepCluster
from spawnpenny.testing.spawns import make_spawn

REPOSITORY = Path(__file__).parents[2]
STEP = """
from spawnpenny.api import PlannedSpawn, Step

class Curious(Step):
    name = "curious"
    kinds = frozenset({"lab"})
    scope = "user"

    def check(self, spawn: PlannedSpawn) -> None:
        print(spawn.options)
        spawn.cluster.pods()
        spawn.notify("I looked.")
"""


def of_accepted_spawns():
    """Return the public names that only an accepted spawn has."""
    return sorted(name for name in {*vars(Spawn), "cluster"} - {"of"} if not name.startswith("_"))


@pytest.mark.parametrize("name", of_accepted_spawns())
def test_an_accepted_spawns_attribute_says_which_methods_have_it(name):
    with pytest.raises(AttributeError, match=rf"^spawn\.{name} is not available here: check, .* Use it in apply,"):
        getattr(make_spawn(), name)


def test_any_other_attribute_is_simply_absent():
    with pytest.raises(AttributeError, match="'PlannedSpawn' object has no attribute 'clusters'"):
        make_spawn().clusters  # noqa: B018


def test_an_accepted_spawn_is_the_planned_one_with_a_cluster():
    planned, cluster = make_spawn(env={"A": "1"}), object.__new__(StepCluster)
    spawn = Spawn.of(planned, cluster)
    assert isinstance(spawn, PlannedSpawn)
    assert spawn.cluster is cluster
    assert (spawn.id, spawn.names, spawn.env) == (planned.id, planned.names, planned.env)
    assert spawn.stash is Spawn.of(planned, cluster).stash


@pytest.mark.slow
def test_a_type_checker_refuses_the_cluster_in_check(tmp_path):
    step = tmp_path / "curious.py"
    step.write_text(STEP)
    command = [sys.executable, "-m", "mypy", "--config-file", str(REPOSITORY / "pyproject.toml"), str(step)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    errors = [line for line in done.stdout.splitlines() if "curious.py" in line]
    assert [line.partition("error: ")[2] for line in errors] == [
        '"PlannedSpawn" has no attribute "cluster"  [attr-defined]',
        '"PlannedSpawn" has no attribute "notify"; maybe "_notify"?  [attr-defined]',
    ]
