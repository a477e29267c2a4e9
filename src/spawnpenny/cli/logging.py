"""Logs as JSON lines or as text for a console. ``configure_logs`` sets them up."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Final, Literal, TextIO

import structlog

if TYPE_CHECKING:
    from structlog.typing import Processor

Style = Literal["json", "console"]

_LEVELS: Final = {
    # Its lines have the query, which may have a token; web.audit logs the same without it.
    "aiohttp.access": logging.WARNING,
    "asyncio": logging.WARNING,
    "kubernetes_asyncio": logging.WARNING,
    # It quotes the first line of a request that is not HTTP, which may have a token; web.audit logs all others.
    "aiohttp.server": logging.CRITICAL,
    # It quotes the subprotocols that a browser offers, one of which may be a token of Bokeh.
    "aiohttp.websocket": logging.CRITICAL,
}


def configure_logs(style: Style, *, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send the logs of structlog and of the standard library to one stream (default: stderr), in one style.

    Every line has the bound context variables, such as the request id. Tracebacks have no local variables, as those may
    hold a caller's environment.
    """
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(style, stream)],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, minimum in _LEVELS.items():
        logging.getLogger(name).setLevel(minimum)


def _renderers(style: Style, stream: TextIO) -> list[Processor]:
    if style == "console":
        colors = stream.isatty()
        plain = structlog.dev.plain_traceback  # the other formatters print local variables
        return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
