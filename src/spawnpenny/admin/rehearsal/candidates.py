"""Candidates: the spawns to rehearse, one for each choice of a form or option, and for several names."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from spawnpenny.domain.cluster_options import ClusterOption, OptionType
from spawnpenny.domain.form_answers import combinations, sample_text, single_changes
from spawnpenny.domain.forms import TEXT_SUFFIX, FormField, every_field
from spawnpenny.domain.kinds import Kind, OptionSource
from spawnpenny.domain.names import DEFAULT_LAB, cluster_name
from spawnpenny.domain.spawns import DEFAULT_GROUP
from spawnpenny.domain.users import User
from spawnpenny.domain.worker_groups import WorkerGroup, group_names

SAMPLE_USER: Final = "ada"
SAMPLE_SERVER: Final = "a-named-server"
ODD_NAMES: Final = (
    ("kamala.de-la-cruz_vargas@accounts.research-institute.example.org", SAMPLE_SERVER),
    ("Ada@example.org", DEFAULT_LAB),
    ("_zoë Ōe", "My Server, the 2nd"),
    ("a" * 63, "b" * 63),
)
"""Usernames and server names as they occur in practice."""
_ALL_NAMES: Final = 40
"""The number of spawns that are tried with all odd names; further ones are tried with one odd name."""
MAX_CANDIDATES: Final = 500
"""The most combinations of choices that are tried for one kind of spawn."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One spawn to rehearse."""

    kind: Kind
    user: User
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    shown: Mapping[str, Any] = field(default_factory=dict)
    odd: bool = False
    group: str = DEFAULT_GROUP

    @property
    def label(self) -> str:
        chosen = " ".join(f"{key}={value}" for key, value in self.shown.items())
        group = "" if self.group == DEFAULT_GROUP else f" with the worker group {self.group}"
        return f"{self.kind.name} {chosen or '(defaults)'}{group}"

    @property
    def title(self) -> str:
        """The name in a sentence, such as ``a cluster``."""
        if self.kind.options is not OptionSource.FORM:
            return self.kind.indefinite
        return "the default server" if self.name == DEFAULT_LAB else f"the server {self.name!r}"

    @property
    def owner(self) -> str:
        named = self.kind.options is OptionSource.FORM and self.name != DEFAULT_LAB
        server = f", server {self.name!r}" if named else ""
        return f"{self.user.username!r}{server}"


def form_candidates(
    kind: Kind, form: Sequence[FormField], user: User, name: str, *, every: bool
) -> Iterator[Candidate]:
    """Yield a spawn for each choice, with defaults for the others; with ``every``, for each combination."""
    choosable = [
        field_.name
        for field_ in every_field(form)
        if len(field_.choices) > 1 or field_.free_text or field_.number or field_.checkbox
    ]
    found = combinations(form) if every else single_changes(form)
    for options in itertools.islice(_distinct(found), MAX_CANDIDATES):
        by_field = {key.removesuffix(TEXT_SUFFIX): value for key, value in options.items()}
        shown = {key: by_field[key] for key in dict.fromkeys(choosable) if key in by_field}
        yield Candidate(kind, user, name, options, shown)


def free_text_fields(form: Sequence[FormField]) -> Iterator[FormField]:
    """Yield the fields that take only a text, and have a pattern that no sample fits."""
    yield from (
        field_
        for field_ in every_field(form)
        if field_.free_text and not field_.choices and sample_text(field_) is None
    )


def odd_candidates(candidates: Sequence[Candidate]) -> Iterator[Candidate]:
    """Yield the same spawns for users and servers with unusual names.

    The first spawns are tried with all of these names, further ones with one name each.
    """
    for number, candidate in enumerate(candidates):
        names = ODD_NAMES if number < _ALL_NAMES else (ODD_NAMES[number % len(ODD_NAMES)],)
        for username, server in names:
            name = server if candidate.kind.options is OptionSource.FORM else cluster_name(username, "rehearsal")
            yield replace(candidate, user=replace(candidate.user, username=username), name=name, odd=True)


def cluster_candidates(
    kind: Kind, options: Sequence[ClusterOption], groups: Sequence[WorkerGroup], user: User, *, every: bool
) -> Iterator[Candidate]:
    """Yield a cluster with the defaults, one for each worker group, and one for each choice of an option."""
    name = cluster_name(user.username, "rehearsal")
    listed = {option.name: _listed(option) for option in options if _listed(option)}
    if every:
        found: Iterator[dict[str, Any]] = (
            dict(zip(listed, values, strict=True)) for values in itertools.product(*listed.values())
        )
    else:
        found = ({key: value} for key, values in listed.items() for value in values)
    for group in group_names(groups):
        yield Candidate(kind, user, name, group=group)
    for chosen in itertools.islice(_distinct(found), MAX_CANDIDATES):
        if chosen:
            yield Candidate(kind, user, name, chosen, chosen)


def _listed(option: ClusterOption) -> tuple[Any, ...]:
    match option.type:
        case OptionType.SELECT:
            return option.choices
        case OptionType.BOOL:
            return (False, True)
        case _:
            return ()


def _distinct(found: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    seen: list[dict[str, Any]] = []
    for options in found:
        if options not in seen:
            seen.append(options)
            yield options
