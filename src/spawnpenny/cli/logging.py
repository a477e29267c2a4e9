"""Logging as JSON lines, or on a readable console. Nothing is set before ``configure_logs`` is called."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Final, Literal, TextIO

import structlog

if TYPE_CHECKING:
    from structlog.typing import Processor

Style = Literal["json", "console"]

_LEVELS: Final = {
    # It has the query, in which there may be a token; web.audit has the same without.
    "aiohttp.access": logging.WARNING,
    "asyncio": logging.WARNING,
    "kubernetes_asyncio": logging.WARNING,
    # Of a request that is no HTTP it quotes the first line, in which a token may be; web.audit has all others.
    "aiohttp.server": logging.CRITICAL,
    # It quotes the sub-protocols that a browser offers, of which one is a token of Bokeh's.
    "aiohttp.websocket": logging.CRITICAL,
}


def configure_logs(style: Style, *, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Route structlog and the standard library's logging to one stream (default: stderr), in one style.

    Every line carries the context variables that are bound, such as the request id. Tracebacks are written without
    local variables, as those may hold a caller's env.
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
    for name, least in _LEVELS.items():
        logging.getLogger(name).setLevel(least)


def _renderers(style: Style, stream: TextIO) -> list[Processor]:
    if style == "console":
        colors = stream.isatty()
        plain = structlog.dev.plain_traceback  # the others print local variables
        return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
