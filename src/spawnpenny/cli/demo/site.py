"""The site of the demo: its settings, its images, and the order that makes home directories."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from spawnpenny.auth.static_tokens import hash_token
from spawnpenny.cli.demo.dask import PROXY_COMMAND, PROXY_IMAGE, PROXY_SCOPES
from spawnpenny.cli.demo.hub import HUB_COMMAND, HUB_IMAGE
from spawnpenny.cli.demo.site_settings import LAB_IMAGE, SHELL_IMAGE, SiteSettings, lay_over
from spawnpenny.domain.contract import NOTEBOOK
from spawnpenny.errors import SettingsError
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.pipeline.spawn import PlannedSpawn
from spawnpenny.plugin.spec import hookimpl
from spawnpenny.settings.load import make_settings
from spawnpenny.settings.model import Settings
from spawnpenny.settings.sections import EmbeddedSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from spawnpenny.cli.demo.dask import DemoDask

HOME_IMAGE: Final = "spawnpenny/home"
_SCOPES: Final = ["admin"]
_QUOTA: Final = {"cpu": 16, "memory": "32Gi"}
_HUB_SCOPES: Final = ["read:any", "delete:any", "spawn:any"]
_PROFILES: Final = [
    {
        "display_name": "Small",
        "description": "1 CPU and 1 GB of memory.",
        "default": True,
        "kubespawner_override": {"cpu_limit": 1, "mem_limit": "1G"},
    },
    {
        "display_name": "Medium",
        "description": "2 CPU, and memory of your choice.",
        "kubespawner_override": {"cpu_limit": 2},
        "profile_options": {
            "memory": {
                "display_name": "Memory",
                "choices": {
                    "2": {"display_name": "2 GB", "kubespawner_override": {"mem_limit": "2G"}},
                    "4": {"display_name": "4 GB", "kubespawner_override": {"mem_limit": "4G"}},
                },
            }
        },
    },
    {
        "display_name": "More than your quota",
        "description": "32 CPU, to see how a refusal looks.",
        "kubespawner_override": {"cpu_limit": 32},
    },
    {
        "display_name": "A missing image",
        "description": "To see how a failure looks.",
        "kubespawner_override": {"image": "registry.example/lab:2019"},
    },
]

_MAKE_HOME: Final = """
import json, pathlib, sys
from spawnpenny.domain.names import safe_slug
dossier = json.loads(pathlib.Path(sys.argv[2]).read_text(encoding="utf-8"))
home = pathlib.Path(sys.argv[1], safe_slug(dossier["username"]))
home.mkdir(mode=0o700, parents=True, exist_ok=True)
name, uid = dossier["username"], dossier["uid"]
(home / "welcome.md").write_text(f"# Hello {name}\\n\\nThe site's order made this for uid {uid}.\\n", encoding="utf-8")
"""
"""The program of the container that commissions a user: it reads the dossier and makes a home directory."""


_LAB_ARGS: Final = (
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdates",
    "--LabApp.extension_manager=readonly",
)


class HomePlugin:
    """A plugin of the demo's site: labs work in the home directories that the order has made."""

    def __init__(self, homes: Path) -> None:
        self._homes = homes

    @hookimpl
    def spawnpenny_pod_patch(self, spawn: PlannedSpawn) -> Manifest:
        if spawn.kind != "lab":
            return {}
        home = str(self._homes / spawn.names.user).replace("$", "$$")  # Kubernetes expands $(NAME) in args
        args = [*_LAB_ARGS, f"--ServerApp.root_dir={home}"]
        return {"spec": {"containers": [{"name": NOTEBOOK, "args": args}]}}


@dataclass(frozen=True)
class DemoSite:
    """The settings, users and folder of the demo. Each demo has new tokens, which are in no file."""

    folder: Path
    user: str
    site: SiteSettings = field(default_factory=lambda: SiteSettings("the demo", {}))
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    hub_token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    lab_token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @property
    def homes(self) -> Path:
        """The folder of the home directories, which have the users' slugs as names."""
        return self.folder / "homes"

    @property
    def has_homes(self) -> bool:
        """Return whether the demo itself makes homes: not if the site names its plugins or orders."""
        return not self.site.listed and not (self.site.data.get("broker") or {}).get("orders")

    @property
    def plugins(self) -> Mapping[str, object]:
        return {"demo-home": HomePlugin(self.homes)} if self.has_homes else {}

    @property
    def has_dask(self) -> bool:
        return "dask" in self.site.plugins or not self.site.listed

    def settings(self, port: int, dask: DemoDask | None) -> tuple[Settings, list[str]]:
        """Write the orders file, and return the settings and notices about them; without Dask if ``dask`` is None.

        Raises:
            SettingsError: The settings of the site are not valid, or have no labs.

        """
        if self.site.listed and "lab" not in self.site.plugins:
            raise SettingsError(f"The demo needs the plugin lab. Add lab: {{}} under plugins in {self.site.source}.")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        orders = self.folder / "orders.json"  # JSON is YAML
        orders.write_text(json.dumps(_orders()), encoding="utf-8")
        demo = {
            "installation": "demo",
            "cluster": "embedded",
            "web": {"host": "127.0.0.1", "port": port},
            "embedded": {"folder": str(self.folder / "cluster"), "images": self._images()},
            "broker": {"orders": str(orders)} if self.has_homes else {},
            "gateway": dask.settings if dask else {},
            "tokens": self._tokens(dask),
            "plugins": {
                "namespace": {},
                "quota": _QUOTA,
                "user": {},
                "lab": {"image": LAB_IMAGE, "profile_list": _PROFILES},
                **({"dask": {}} if dask else {}),
            },
        }
        data, notices = lay_over(demo, self.site, self.folder)
        if dask is None:
            data["plugins"].pop("dask", None)
        return make_settings(data, source=self.site.source), notices

    def _tokens(self, dask: DemoDask | None) -> dict[str, Any]:
        return {
            "demo": {"sha256": hash_token(self.token), "scopes": _SCOPES},
            "hub": {"sha256": hash_token(self.hub_token), "scopes": _HUB_SCOPES},
            **({"proxy": {"sha256": hash_token(dask.token), "scopes": list(PROXY_SCOPES)}} if dask else {}),
        }

    def _images(self) -> dict[str, list[str]]:
        return {
            HUB_IMAGE: list(HUB_COMMAND),
            HOME_IMAGE: ["{python}", "-c", _MAKE_HOME, str(self.homes)],
            SHELL_IMAGE: list(EmbeddedSettings().images[SHELL_IMAGE]),
            LAB_IMAGE: list(EmbeddedSettings().images[LAB_IMAGE]),
            PROXY_IMAGE: list(PROXY_COMMAND),
        }


def _orders() -> dict[str, Any]:
    make_home = {"name": "make-home", "image": HOME_IMAGE, "args": ["/opt/dossier/dossier.json"]}
    return {"commission": [make_home]}
