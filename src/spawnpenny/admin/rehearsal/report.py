"""A rehearsal as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from spawnpenny.admin.rehearsal.result import Problem, Rehearsal, RehearsedSpawn
from spawnpenny.domain.quantities import format_quantity

_MARGIN: Final = "   "
_FEW: Final = 6


def report(found: Rehearsal, *, width: int, names: bool = True) -> Iterator[str]:
    """Yield the lines of a report: a verdict for each spawn, the problems in order, the names of the objects."""
    usual = [spawn for spawn in found.spawns if not spawn.odd]
    pasted: set[str] = set()
    yield from _verdicts(usual)
    labels = list(dict.fromkeys(spawn.label for spawn in usual))
    if found.refusals:
        yield ""
        yield f"To fix, in this order ({len(found.refusals)}):"
        yield from _problems(found.refusals, labels, width, pasted)
    if found.warnings:
        yield ""
        yield f"Warnings ({len(found.warnings)}):"
        yield from _problems(found.warnings, labels, width, pasted)
    if names:
        yield from _made(found, width)
    yield from _unrehearsed(found, width)
    yield ""
    yield _end(found)


def _verdicts(spawns: Sequence[RehearsedSpawn]) -> Iterator[str]:
    width = max((len(spawn.label) for spawn in spawns), default=0)
    for spawn in spawns:
        verdict = "starts " if spawn.starts else "REFUSED"
        used = f"{format_quantity(spawn.resources.cpu)} CPU, {format_quantity(spawn.resources.memory)}"
        worker = " with one worker" if spawn.scales else ""
        yield f"{verdict}  {spawn.label:{width}}  {used}{worker}".rstrip()


def _problems(problems: Sequence[Problem], labels: Sequence[str], width: int, pasted: set[str]) -> Iterator[str]:
    groups = [(setting, list(group)) for setting, group in groupby(problems, key=lambda problem: problem.setting)]
    for number, (setting, group) in enumerate(groups):
        yield ""
        yield f"{number + 1:2} {setting}"
        yield from _messages(group, labels, width)
        later = {other.paste for _, others in groups[number + 1 :] for other in others}
        for paste in dict.fromkeys(
            problem.paste for problem in group if problem.paste and problem.paste not in later | pasted
        ):
            pasted.add(paste)
            yield ""
            yield from textwrap.indent(paste.rstrip(), f"{_MARGIN}  ").splitlines()


def _messages(group: Sequence[Problem], labels: Sequence[str], width: int) -> Iterator[str]:
    for concerned, problems in groupby(group, key=lambda problem: _concerned(problem, labels)):
        for problem in problems:
            yield from _wrapped(problem.message, width)
        yield from _wrapped(concerned, width)
    for advice in dict.fromkeys(problem.advice for problem in group if problem.advice):
        yield from _wrapped(advice, width)


def _concerned(problem: Problem, labels: Sequence[str]) -> str:
    if problem.odd_names or not problem.spawns or set(labels) <= set(problem.spawns):
        return ""
    shown = ", ".join(problem.spawns[:_FEW])
    more = f" and {len(problem.spawns) - _FEW} more" if len(problem.spawns) > _FEW else ""
    return f"({shown}{more})"


def _made(found: Rehearsal, width: int) -> Iterator[str]:
    spawn = found.first
    if spawn is None or not spawn.manifests:
        return
    yield ""
    yield f"Would be made for {spawn.user}, {spawn.title}, in {spawn.manifests[0]['metadata']['namespace']}:"
    names = [f"{manifest['kind']} {manifest['metadata']['name']}" for manifest in spawn.manifests]
    yield from _wrapped(", ".join(names), width)
    yield from _wrapped("(--output yaml prints the manifests)", width)


def _unrehearsed(found: Rehearsal, width: int) -> Iterator[str]:
    if found.unrehearsed:
        yield ""
        yield "Not rehearsed:"
        for skipped in found.unrehearsed:
            yield from _wrapped(f"{skipped.step}: {skipped.why}", width)


def _end(found: Rehearsal) -> str:
    usual = [spawn for spawn in found.spawns if not spawn.odd]
    refused = sum(not spawn.starts for spawn in usual)
    if found.starts:
        return f"Everything would start ({len(usual)} spawns tried)."
    if refused:
        return f"{refused} of {len(usual)} spawns would not start."
    if any(not refusal.spawns for refusal in found.refusals):
        return "Everything could start, but no caller has the right to start it."
    return "It would not start for users with unusual names."


def _wrapped(text: str, width: int) -> Iterator[str]:
    yield from textwrap.wrap(
        text, width, initial_indent=_MARGIN, subsequent_indent=_MARGIN, break_long_words=False, break_on_hyphens=False
    )
