"""Typed keys of the application's shared objects."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from spawnpenny.service import Service
from spawnpenny.serving.client_address import ClientAddresses
from spawnpenny.web.metrics.registry import Metrics
from spawnpenny.web.middleware.rate_limit import Limits
from spawnpenny.web.openapi.document import Document

SERVICE: Final = web.AppKey("SERVICE", Service)
CLIENT_ADDRESSES: Final = web.AppKey("CLIENT_ADDRESSES", ClientAddresses)
CLOSING: Final = web.AppKey("CLOSING", asyncio.Event)
"""Set when the application shuts down, so that handlers end their long requests."""
DOCUMENT: Final = web.AppKey("DOCUMENT", Document)
"""The OpenAPI document."""
METRICS: Final = web.AppKey("METRICS", Metrics)
LIMITS: Final = web.AppKey("LIMITS", Limits)
