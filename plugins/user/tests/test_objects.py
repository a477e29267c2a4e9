"""The user plugin's files and manifests."""

from __future__ import annotations

import pytest
from spawnpenny_user.files import FileSettings, group, mounted, passwd, portable, user_files

from spawnpenny.api import Group, User

ADA = User("ada", 2001, 2002, (Group("physics", 3001), Group("chess club", 3002)))
SYSTEM_PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
SYSTEM_GROUP = "root:x:0:\nnogroup:x:65534:\n"


def test_the_config_map_has_both_files():
    assert user_files(ADA, FileSettings()) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "user-files"},
        "data": {
            "passwd": SYSTEM_PASSWD + "ada:x:2001:2002::/home/ada:/bin/bash\n",
            "group": SYSTEM_GROUP + "ada:x:2002:\nphysics:x:3001:ada\nchess_club:x:3002:ada\n",
        },
    }


def test_home_and_shell_are_the_sites():
    line = passwd(ADA, FileSettings(home="/data/{name}/home", shell="/bin/zsh")).splitlines()[-1]
    assert line == "ada:x:2001:2002::/data/ada/home:/bin/zsh"


def test_a_primary_group_that_has_a_name_is_written_once():
    user = User("ada", 2001, 3001, (Group("physics", 3001),))
    assert group(user) == SYSTEM_GROUP + "physics:x:3001:ada\n"


@pytest.mark.parametrize("name", ["a:b", "a\nroot::0:0", "Åse Nordström", "a,b"])
def test_no_name_breaks_out_of_its_field(name):
    user = User(name, 2001, 2002, (Group(name, 3001),))
    assert [line.count(":") for line in passwd(user, FileSettings()).splitlines()] == [6, 6, 6]
    assert [line.count(":") for line in group(user).splitlines()] == [3, 3, 3, 3]


def test_a_portable_name_stays_as_it_is():
    assert portable("Ada.L-1@example.org") == "Ada.L-1@example.org"


def test_every_container_gets_both_files_read_only():
    mounts = [
        {"name": "user-files", "mountPath": "/etc/passwd", "subPath": "passwd", "readOnly": True},
        {"name": "user-files", "mountPath": "/etc/group", "subPath": "group", "readOnly": True},
    ]
    assert mounted({"spec": {"containers": [{"name": "notebook", "image": "x"}, {"name": "side"}]}}) == {
        "spec": {
            "volumes": [{"name": "user-files", "configMap": {"name": "user-files"}}],
            "containers": [{"name": "notebook", "volumeMounts": mounts}, {"name": "side", "volumeMounts": mounts}],
        }
    }
