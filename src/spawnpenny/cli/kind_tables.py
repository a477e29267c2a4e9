"""Spawns of any kind as text for a terminal."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from spawnpenny.cli.printable import printable
from spawnpenny.cli.tables import aligned, duration, folded, note
from spawnpenny.clients.spawns import KindInfo, KindSpawn

_LIVE: Final = frozenset({"requested", "pending", "running"})


def kind_table(kinds: Sequence[KindInfo]) -> Iterator[str]:
    """Yield a table of kinds as lines."""
    rows = [("kind", "title", "workers", "ends by itself")]
    rows += [(kind.name, kind.title, _yes(kind.scales), _yes(kind.completes)) for kind in kinds if kind.available]
    yield from aligned(rows)


def spawn_table(kind: KindInfo, spawns: Sequence[KindSpawn]) -> Iterator[str]:
    """Yield a table of spawns as lines; below a row, why the spawn failed or ended, or what it waits for."""
    now = time.time()
    workers = ("workers",) if kind.scales else ()
    rows = [("user", "name", "phase", *workers, "age", "url")]
    for spawn in spawns:
        counted = (_workers(spawn),) if kind.scales else ()
        age = duration(now - spawn.requested_at)
        rows.append((spawn.user, spawn.name, spawn.phase, *counted, age, spawn.url or ""))
    heading, *entries = folded(rows, names=2)
    yield from heading
    for entry, spawn in zip(entries, spawns, strict=True):
        yield from entry
        if spawn.reason is not None:
            yield from note(f"{spawn.reason.message} ({spawn.reason.code})")
        elif spawn.waiting_for:
            yield from note(_waiting(spawn.waiting_for))


def spawn_facts(kind: KindInfo, spawn: KindSpawn) -> Iterator[str]:
    """Yield one line for each fact about a spawn, and for each of its steps."""
    facts = [("user", spawn.user), ("name", spawn.name), ("phase", spawn.phase)]
    facts += [("url", spawn.url)] if spawn.url else []
    if spawn.phase in _LIVE:
        facts += [("workers", _workers(spawn))] if kind.scales else []
        facts += [("size", ", ".join(f"{name} {value}" for name, value in spawn.resources.items()))]
    facts += [("age", duration(time.time() - spawn.requested_at))]
    facts += [("waiting", _waiting(spawn.waiting_for))] if spawn.waiting_for else []
    facts += [("lab", spawn.lab)] if spawn.lab else []
    facts += [("options", _listed(spawn.options))] if spawn.options else []
    facts += [(name, value) for name, value in _texts(spawn.details)]
    facts += [("reason", f"{spawn.reason.text} ({spawn.reason.code})")] if spawn.reason else []
    longest = max(len(name) for name, _ in facts)
    for name, value in facts:
        yield f"{printable(name).ljust(longest)}  {printable(value)}"
    if spawn.steps:
        yield ""
        rows = [(step.name, step.state, "" if step.seconds is None else f"{step.seconds:.3f}") for step in spawn.steps]
        yield from aligned([("step", "state", "seconds"), *rows])


def _workers(spawn: KindSpawn) -> str:
    if spawn.phase not in _LIVE or spawn.scale is None or spawn.workers is None:
        return ""
    return f"{spawn.workers.get('running', 0)} of {spawn.scale.get('count', 0)}"


def _waiting(waiting: Mapping[str, Any]) -> str:
    return f"{waiting['message']} ({waiting['code']})" if waiting.get("code") else str(waiting["message"])


def _texts(members: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in members.items():
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _listed(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in _texts(options))


def _yes(value: bool) -> str:
    return "yes" if value else ""
