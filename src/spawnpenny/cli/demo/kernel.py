"""Run a cell in a lab as a notebook does: over the WebSocket of a kernel.

Protocol: https://jupyter-client.readthedocs.io/en/stable/messaging.html
"""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any, Final

import aiohttp

from spawnpenny.cli.exits import CommandError

_PATIENCE: Final = 60.0


async def run_cell(url: str, token: str, code: str, *, patience: float = _PATIENCE) -> str:
    """Run code in a new kernel of a lab, and return its result as text; then shut the kernel down.

    Raises:
        CommandError: The kernel does not start or does not answer within ``patience`` seconds, or the code fails.

    """
    headers = {"Authorization": f"token {token}"}
    try:
        async with asyncio.timeout(patience), aiohttp.ClientSession(url, headers=headers) as session:
            async with session.post("api/kernels", json={"name": "python3"}) as response:
                response.raise_for_status()
                kernel = (await response.json())["id"]
            try:
                async with session.ws_connect(f"api/kernels/{kernel}/channels") as channels:
                    return await _execute(channels, code)
            finally:
                async with session.delete(f"api/kernels/{kernel}"):
                    pass
    except TimeoutError:
        raise CommandError(f"The kernel did not answer within {patience:.0f} seconds.") from None
    except aiohttp.ClientError as error:
        raise CommandError(f"The lab did not run the cell: {error}.") from None


async def _execute(channels: aiohttp.ClientWebSocketResponse, code: str) -> str:
    request = _request(code)
    await channels.send_str(json.dumps(request))
    result = ""
    async for frame in channels:
        message = json.loads(frame.data)
        if message.get("parent_header", {}).get("msg_id") != request["header"]["msg_id"]:
            continue
        content = message["content"]
        match message["msg_type"]:
            case "execute_result":
                result = content["data"]["text/plain"]
            case "error":
                raise CommandError(f"The cell failed: {content['ename']}: {content['evalue']}")
            case "status" if content["execution_state"] == "idle":
                return result
            case _:
                pass
    raise CommandError("The kernel closed the connection before the cell was done.")


def _request(code: str) -> dict[str, Any]:
    return {
        "header": {
            "msg_id": uuid.uuid4().hex,
            "msg_type": "execute_request",
            "session": uuid.uuid4().hex,
            "username": "demo",
            "version": "5.3",
        },
        "parent_header": {},
        "metadata": {},
        "channel": "shell",
        "content": {"code": code, "silent": False, "store_history": False, "allow_stdin": False},
    }
