"""The contract of a step that a plugin of the test brings."""

from __future__ import annotations

import pytest

from spawnpenny.api import Kind, hookimpl
from spawnpenny.testing.contract import StepContract


class Plugin:
    """A plugin with one step and a kind."""

    def __init__(self, step):
        self._step = step

    @hookimpl
    def spawnpenny_steps(self, settings):
        return [self._step()]

    @hookimpl
    def spawnpenny_kinds(self):
        return [Kind("lab", "labs", "lab")]


@pytest.fixture
def contract_of():
    """Return a function that makes the contract of a step class."""

    def make(step, **more):
        return StepContract(
            step="licence",
            settings={"plugins": {"namespace": {"network": {"enabled": False}}}},
            plugins={"licence": Plugin(step)},
            env={"LICENCE_KEY": "key-of-the-licence"},
            **more,
        )

    return make
