"""Paths of a scheduler's dashboard that the proxy forwards: those of distributed's own pages."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

_PAGE: Final = (
    r"/(?:counters|events|exceptions|gpu|graph|groups|hardware|profile|profile-server|shuffle|status|stealing|system"
    r"|tasks|workers|individual-[a-z-]+)"
)
_INFO: Final = r"/info(?:/main/(?:workers|exceptions|logs)\.html|/(?:worker|task|call-stacks?|logs)/.+\.html)?"
_FILES: Final = r"/(?:static|statics)/.+"
_DATA: Final = r"/(?:individual-plots\.json|json/(?:counts\.json|identity\.json|index\.html)|health|metrics)"
_READ: Final = re.compile(rf"/?|{_PAGE}(?:/|/ws|/metadata|/autoload\.js)?|{_INFO}|{_FILES}|{_DATA}|/eventstream")
_SOCKET: Final = re.compile(rf"{_PAGE}/ws|/eventstream")
"""Left out, as none of them needs a password: the scheduler's API, which closes workers; its Jupyter server, which runs
code; its proxy to the workers' dashboards (``/proxy/``), which joins a websocket to any host and port. Also left out is
``/sitemap.json``, which fails beside Bokeh."""
_ROUNDS: Final = 4
_STRANGE: Final = re.compile(r"[\x00-\x1f\x7f]")
_SLASHES: Final = re.compile(r"[/\\]")


def is_open(path: str, *, websocket: bool = False) -> bool:
    """Return whether a path, as sent and with its first slash, is a page of a Dask cluster's dashboard."""
    return is_one_of(path, _SOCKET if websocket else _READ)


def is_one_of(path: str, known: re.Pattern[str]) -> bool:
    """Return whether a path is one of those that a pattern describes.

    A server may read it as it is, or decoded once or more. Each reading has to be one, and may not lead upwards.
    """
    return is_inside(path) and all(known.fullmatch(reading) is not None for reading in _readings(path))


def is_inside(path: str) -> bool:
    """Return whether no reading of a path leads upwards, or has control characters."""
    readings = _readings(path)
    return len(readings) <= _ROUNDS + 1 and all(map(_is_plain, readings))


def _readings(path: str) -> list[str]:
    """Return a path as it is, and decoded once or more; more than ``_ROUNDS + 1`` if that does not end."""
    readings = [path]
    while (decoded := unquote(readings[-1], errors="replace")) != readings[-1] and len(readings) <= _ROUNDS + 1:
        readings.append(decoded)
    return readings


def _is_plain(path: str) -> bool:
    if _STRANGE.search(path):
        return False
    return not any(segment.partition(";")[0].strip() in {".", ".."} for segment in _SLASHES.split(path))
