"""The page on Dask without a gateway's client: what it has sites set is safe."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "dask-native.md"


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("10.1.2.3", True),
        ("10.example.org", False),
        ("10.0.0.1.example.org", False),
        ("10.1", False),
        ("011.1.2.3", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_the_labs_proxy_leads_to_addresses_of_pods_alone(host, allowed):
    (block,) = re.findall(r"```py\n(from ipaddress .*?)```", PAGE.read_text(), re.DOTALL)
    config = SimpleNamespace(ServerProxy=SimpleNamespace())
    exec(block, {"c": config})
    assert config.ServerProxy.host_allowlist(None, host) is allowed
