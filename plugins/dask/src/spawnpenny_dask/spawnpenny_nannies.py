"""Refuse nanny plugins if no worker has a nanny: a preload of distributed's scheduler.

distributed would accept them, and never run them. It runs in the image of a user, with Python 3.9 and distributed
2024.1 or newer.
"""

from __future__ import annotations

import os
from typing import Any

NO_NANNY = (
    "The workers of this cluster have no nanny (worker.nanny is false in the settings of the service), so a nanny "
    "plugin would do nothing. Set variables by the cluster's options, and send single files with client.upload_file()."
)


def dask_setup(scheduler: Any) -> None:
    """Refuse nanny plugins from now on. distributed calls this once the scheduler listens."""
    if os.environ.get("SPAWNPENNY_NANNY") != "False":
        return
    register = scheduler.register_nanny_plugin

    async def checked(*arguments: Any, **more: Any) -> Any:
        if not any(worker.nanny for worker in scheduler.workers.values()):
            raise RuntimeError(NO_NANNY)
        return await register(*arguments, **more)

    async def handler(comm: Any, **more: Any) -> Any:
        return await checked(comm, **more)

    scheduler.register_nanny_plugin = checked  # plugins of the scheduler call it
    scheduler.handlers["register_nanny_plugin"] = handler
