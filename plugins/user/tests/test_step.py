"""The user plugin, on a whole site."""

from __future__ import annotations

import pytest

from spawnpenny.api import SettingsError
from spawnpenny.testing.site import settled, start, stop


async def test_a_lab_finds_its_user_in_passwd(embedded_site):
    async with embedded_site.service() as service:
        run = await settled(await start(service))
        assert run.record.reason is None
        pod = await embedded_site.read("Pod", "lab")
        mounts = {mount["mountPath"]: mount["name"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
        assert mounts == {"/etc/passwd": "user-files", "/etc/group": "user-files"}
        files = await embedded_site.read("ConfigMap", "user-files")
        assert "ada:x:1000:100::/home/ada:/bin/bash" in files["data"]["passwd"].splitlines()


async def test_the_files_stay_and_are_not_written_again_while_nothing_changed(embedded_site):
    async with embedded_site.service() as service:
        await settled(await start(service, "first"))
        before = await embedded_site.read("ConfigMap", "user-files")
        await stop(service)
        await settled(await start(service, "second"))
        assert await embedded_site.read("ConfigMap", "user-files") == before


async def test_another_shell_reaches_the_users_that_are_there(embedded_site):
    for shell in ("/bin/bash", "/bin/zsh"):
        embedded_site.data["plugins"]["user"] = {"shell": shell}
        async with embedded_site.service() as service:
            await settled(await start(service, shell.replace("/", "-"), replace=True))
    files = await embedded_site.read("ConfigMap", "user-files")
    assert files["data"]["passwd"].endswith(":/bin/zsh\n")


@pytest.mark.parametrize("home", ["home", "/a:b", "/a b", "/a\n"])
async def test_a_home_that_no_passwd_can_hold_is_refused(embedded_site, home):
    embedded_site.data["plugins"]["user"] = {"home": home}
    with pytest.raises(SettingsError, match=r"plugins\.user\.home"):
        async with embedded_site.service():
            """It does not start."""
