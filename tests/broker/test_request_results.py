"""Errors cross from the broker to the service as what they are."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import spawnpenny.broker
from spawnpenny.broker.requests import error_patch, result_of
from spawnpenny.errors import ProvisionError, SpawnpennyError


def errors_of_the_broker():
    """Return all errors that a module of the broker imports."""
    modules = [
        importlib.import_module(module.name)
        for module in pkgutil.iter_modules(spawnpenny.broker.__path__, "spawnpenny.broker.")
    ]
    values = {value for module in modules for value in vars(module).values() if isinstance(value, type)}
    return sorted((cls for cls in values if issubclass(cls, SpawnpennyError)), key=lambda cls: cls.code)


@pytest.mark.parametrize("cls", errors_of_the_broker(), ids=lambda cls: cls.code)
def test_an_error_that_the_broker_knows_is_raised_again_in_the_service(cls):
    error = cls.__new__(cls)
    SpawnpennyError.__init__(error, "It says why.", user="ada", limit=3, names=["left", "out"])
    with pytest.raises(cls) as raised:
        result_of(error_patch(error))
    assert (type(raised.value), raised.value.message) == (cls, "It says why.")
    assert raised.value.facts == {"user": "ada", "limit": 3}


@pytest.mark.parametrize("code", ["quota_exceeded", "cluster_conflict", "pod_crashed", "image_unavailable"])
def test_an_error_from_the_cluster_or_of_a_pod_is_raised_again_in_the_service(code):
    with pytest.raises(SpawnpennyError) as raised:
        result_of({"data": {"answer": f'{{"code": "{code}", "message": "It says why."}}'}})
    assert raised.value.code == code


def test_an_error_that_the_broker_cannot_have_raised_is_a_failed_provisioning():
    class AlienError(SpawnpennyError):
        code = "alien"

    with pytest.raises(ProvisionError, match="It says why"):
        result_of(error_patch(AlienError("It says why.")))
