"""KubeSpawner's names on the spawner: used by hooks and overrides, without effect, with one warning each."""

from __future__ import annotations

import inspect

import pytest
from jupyterhub import orm
from traitlets.config import Config

from spawnpenny.clients.jupyterhub import SpawnpennySpawner
from spawnpenny.clients.jupyterhub.errors import MisconfiguredError, RefusedError
from spawnpenny.clients.jupyterhub.kubespawner_names import METHODS, MOVED


def warnings(caplog, name):
    return [record.message for record in caplog.records if f"SpawnpennySpawner.{name} " in record.message]


async def as_a_hub_starts(spawner):
    """Call what a Hub calls, in its order."""
    await spawner.apply_group_overrides()
    done = spawner.run_pre_spawn_hook()
    if inspect.isawaitable(done):
        await done
    return await spawner.start()


@pytest.fixture
def overridden(in_hub, spawner_of):
    """Make the spawner of a user whose group has overrides."""

    def make(override, **traits):
        group = orm.Group(name="vision")
        in_hub.app.db.add(group)
        group.users.append(in_hub.user().orm_user)
        in_hub.app.db.commit()
        rule = {"01": {"groups": ["vision"], "spawner_override": override}}
        return spawner_of(group_overrides=rule, **traits)

    return make


@pytest.mark.parametrize("name", sorted(MOVED))
async def test_each_name_can_be_read_changed_in_place_and_set(configured, caplog, name):
    first, second = configured(), configured(server="gpu")
    value = getattr(first, name)
    if isinstance(value, list):
        value.append("x")
        assert "x" in getattr(first, name)
    elif isinstance(value, dict):
        value["x"] = 1
        assert getattr(first, name)["x"] == 1
    setattr(first, name, ["anything"])
    assert getattr(first, name) == ["anything"]
    assert getattr(second, name) == MOVED[name].default
    (reported,) = warnings(caplog, name)
    assert reported.endswith(f"is not used. {MOVED[name].advice}")


async def test_methods_can_be_called(configured, caplog):
    spawner = configured()
    for name in METHODS:
        method = getattr(spawner, name)
        arguments = [None] * sum(parameter.default is parameter.empty for parameter in bound_parameters(method))
        done = method(*arguments)
        if inspect.isawaitable(done):
            await done
        assert len(warnings(caplog, name)) == 1


def bound_parameters(method):
    kinds = inspect.Parameter
    return [
        parameter
        for parameter in inspect.signature(method).parameters.values()
        if parameter.kind in {kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD}
    ]


async def test_they_are_no_settings_of_ours():
    assert not MOVED.keys() & SpawnpennySpawner.class_traits(config=True).keys()


async def test_overrides_of_every_kind_start_a_server(overridden, caplog):
    spawner = overridden(
        {
            **dict.fromkeys(MOVED, "text"),
            "node_selector": {"pool": "gpu"},
            "volumes": lambda spawner: [*spawner.volumes, {"name": "scratch"}],
            "mem_limit": "16G",
            "nonsense": {"a": 1},
        }
    )
    assert await as_a_hub_starts(spawner)
    (reported,) = warnings(caplog, "mem_limit")
    assert "Set plugins.lab.mem_limit" in reported
    assert "group_overrides sets nonsense, which no spawner has" in caplog.text


@pytest.mark.parametrize(
    "override",
    [{"start_timeout": "soon"}, {"image": lambda spawner: 1 / 0}, "no mapping"],
    ids=["no value of the trait", "a function that raises", "no mapping"],
)
async def test_overrides_that_cannot_be_applied_are_a_plain_refusal(overridden, override, caplog):
    with pytest.raises(MisconfiguredError, match="not set up") as refusal:
        await as_a_hub_starts(overridden(override))
    assert refusal.value.status_code == 503
    assert "group_overrides cannot be applied" in refusal.value.cause
    assert "group_overrides cannot be applied to ada" in caplog.text


async def test_what_an_overriding_function_refuses_stays_its_refusal(overridden):
    def no(spawner):
        raise RefusedError("full", "The GPUs are for the course.", status=403)

    with pytest.raises(RefusedError, match="for the course"):
        await as_a_hub_starts(overridden({"image": no}))


async def test_configuration_is_warned_of_once_a_hub(configured, caplog):
    config = Config()
    config.SpawnpennySpawner.image = "quay.io/gpu:1"
    config.SpawnpennySpawner.volumes.append({"name": "scratch"})
    config.KubeSpawner.image = "quay.io/gpu:1"
    config.KubeSpawner.start_timeout = 60
    config.KubeSpawner.nonsense = 1
    for server in ("", "gpu"):
        spawner = configured(server=server, config=config)
        assert (spawner.image, spawner.volumes) == ("quay.io/gpu:1", [{"name": "scratch"}])
    assert len(warnings(caplog, "image")) == 1
    (section,) = [record.message for record in caplog.records if "c.KubeSpawner is not read" in record.message]
    assert "image: Set plugins.lab.image in the settings of the service." in section
    assert "start_timeout: Set c.SpawnpennySpawner.start_timeout." in section
    assert "nonsense: No spawner has such a setting." in section
    assert "not recognized" not in caplog.text
