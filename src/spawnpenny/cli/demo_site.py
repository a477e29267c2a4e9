"""The site of the demo: its settings, its images, and the order that makes a home directory."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from spawnpenny.domain.names import safe_slug
from spawnpenny.settings import Settings, make_settings
from spawnpenny.tokens import hash_token

if TYPE_CHECKING:
    from pathlib import Path

LAB_IMAGE: Final = "spawnpenny/lab"
HOME_IMAGE: Final = "spawnpenny/home"
_SCOPES: Final = ["spawn:any", "read:any", "delete:any", "commission"]

_MAKE_HOME: Final = """
import json, pathlib, sys
dossier = json.loads(pathlib.Path(sys.argv[2]).read_text(encoding="utf-8"))
home = pathlib.Path(sys.argv[1])
home.mkdir(mode=0o700, parents=True, exist_ok=True)
name, uid = dossier["username"], dossier["uid"]
(home / "welcome.md").write_text(f"# Hello {name}\\n\\nThe site's order made this for uid {uid}.\\n", encoding="utf-8")
"""
"""What the commission container of the demo's site runs: as a real one would, it reads the dossier and makes a home."""


@dataclass(frozen=True)
class DemoSite:
    """Whom the demo is for, and where it keeps its things. ``token`` is made anew for each demo, and is in no file."""

    folder: Path
    user: str
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    lab_token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @property
    def home(self) -> Path:
        return self.folder / "homes" / safe_slug(self.user)

    def settings(self, port: int) -> Settings:
        """Write the orders file, and return the settings."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        orders = self.folder / "orders.json"  # JSON is YAML
        orders.write_text(json.dumps(_orders()), encoding="utf-8")
        return make_settings(
            {
                "installation": "demo",
                "cluster": "embedded",
                "web": {"host": "127.0.0.1", "port": port},
                "embedded": {"folder": str(self.folder / "cluster"), "images": self._images()},
                "broker": {"orders": str(orders)},
                "tokens": {"demo": {"sha256": hash_token(self.token), "scopes": _SCOPES}},
                "plugins": {
                    "namespace": {},
                    "quota": {},
                    "user": {},
                    "lab": {"images": {"default": LAB_IMAGE}},
                },
            },
            source="the demo",
        )

    def _images(self) -> dict[str, list[str]]:
        home = str(self.home)
        return {
            HOME_IMAGE: ["{python}", "-c", _MAKE_HOME, home],
            LAB_IMAGE: [
                "{python}",
                "-m",
                "jupyterlab",
                "--ip={pod_ip}",
                "--port=8888",
                "--ServerApp.port_retries=0",
                "--no-browser",
                "--allow-root",
                f"--ServerApp.root_dir={home}",
                "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdates",
                "--LabApp.extension_manager=readonly",
            ],
        }


def _orders() -> dict[str, Any]:
    make_home = {"name": "make-home", "image": HOME_IMAGE, "args": ["/opt/dossier/dossier.json"]}
    return {"commission": [make_home]}
