"""What the section ``storage`` of the settings may say."""

from __future__ import annotations

import pytest
from spawnpenny_storage.settings import StorageSettingsSchema

from spawnpenny.api import Settings, SettingsError


def load(**section):
    return Settings(plugins={"storage": section}).load("storage", StorageSettingsSchema())


def test_a_claim_is_named_as_kubespawner_names_it():
    assert load().template == "claim-{user_server}"
    assert load(per="user").template == "claim-{username}"


@pytest.mark.parametrize("storage_class", [None, "", "fast"])
def test_no_class_and_the_default_class_are_two_things(storage_class):
    assert load(storage_class=storage_class).storage_class == storage_class


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"per": "site"}, "per: Must be one of"),
        ({"capacity": "-1Gi"}, "capacity: -1Gi is negative."),
        ({"access_modes": []}, "access_modes: "),
        ({"access_modes": ["ReadWriteTwice"]}, "access_modes.0: "),
        ({"access_modes": ["ReadWriteOncePod", "ReadOnlyMany"]}, "access_modes: ReadWriteOncePod stands alone."),
        ({"pvc_name_template": "claim-{usernmae}"}, "there is no field {usernmae}"),
        ({"pvc_name_template": "claim-{username}"}, "All labs of a user would come to one claim"),
        ({"pvc_name_template": "{user_server}_claim"}, "Lower case letters, digits, - and ."),
        ({"per": "user", "pvc_name_template": "claim-{user_server}"}, "{user_server} is another for each lab"),
        ({"extra_labels": {"spawnpenny.io/lab": "x"}}, "spawnpenny.io/lab is for spawnpenny itself"),
        ({"extra_annotations": {"a": "{b}"}}, "there is no field {b}"),
        ({"mount_path": "home"}, "a path that begins with a slash"),
        ({"sub_path": "../other"}, "It may not leave the volume."),
        ({"sub_path": "a/../../other"}, "It may not leave the volume."),
        ({"sub_path": "/etc"}, "It may not leave the volume."),
        ({"capactiy": "1Gi"}, "did you mean 'capacity'?"),
    ],
)
def test_what_makes_no_storage_is_refused(section, message):
    with pytest.raises(SettingsError) as refused:
        load(**section)
    assert "plugins.storage." in str(refused.value)
    assert message in str(refused.value)
