"""The session in the docs is one that works when it is copied."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "http-api.md"


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
async def test_the_curl_session_of_the_docs_starts_follows_and_stops_a_lab(tmp_path):
    (session,) = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    with socket.create_server(("127.0.0.1", 0)) as free:
        session = session.replace("8080", str(free.getsockname()[1]))
    environ = {
        **os.environ,
        "XDG_STATE_HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", f"{session}wait", cwd=tmp_path, env=environ, stdout=asyncio.subprocess.PIPE
    )
    output = (await process.communicate())[0].decode()
    accepted, *events, running, gone = output.splitlines()
    assert '"phase": "requested"' in accepted, output
    assert any('"user.provision"' in line for line in events)
    assert '"phase": "running"' in running
    assert gone == ""
