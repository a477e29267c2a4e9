"""Rehearse spawns: make their manifests, check them against every rule, and find what keeps them from starting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from spawnpenny.admin.rehearsal.candidates import (
    SAMPLE_USER,
    Candidate,
    dask_candidates,
    free_text_fields,
    lab_candidates,
    odd_candidates,
)
from spawnpenny.admin.rehearsal.findings import Findings
from spawnpenny.admin.rehearsal.missing_objects import ignore_to_paste
from spawnpenny.admin.rehearsal.offline import offline_context
from spawnpenny.admin.rehearsal.pod_checks import fence_problem, openings_to_paste
from spawnpenny.admin.rehearsal.rehearser import Rehearser
from spawnpenny.admin.rehearsal.result import Rehearsal, RehearsedSpawn, Unrehearsed
from spawnpenny.admin.rehearsal.service_checks import problems_of_service
from spawnpenny.admin.rehearsal.unrehearsed_steps import unrehearsed
from spawnpenny.domain.names import DEFAULT_LAB, cluster_name
from spawnpenny.domain.spawns import Caller, Kind
from spawnpenny.domain.users import Group, User

if TYPE_CHECKING:
    from spawnpenny.kubernetes.interface import Manifest
    from spawnpenny.plugin.manager import Plugins
    from spawnpenny.settings.model import Settings

_FIRST_GROUP: Final = 100_000


@dataclass(frozen=True, slots=True)
class Selection:
    """The spawns to rehearse.

    Attributes:
        username: The user; None for a sample user, and further ones with unusual names.
        groups: The names of the user's groups.
        name: The lab's name.
        options: The options; if they are given, only that spawn is rehearsed.
        every: Rehearse each combination of choices, not each choice in turn.
        kinds: The kinds of spawn to rehearse; options belong to the first of them.

    """

    username: str | None = None
    groups: tuple[str, ...] = ()
    name: str = DEFAULT_LAB
    options: Mapping[str, Any] = field(default_factory=dict)
    every: bool = False
    kinds: tuple[Kind, ...] = (Kind.LAB, Kind.DASK)

    def user(self, settings: Settings) -> User:
        groups = tuple(Group(name, _FIRST_GROUP + number) for number, name in enumerate(self.groups))
        return User(self.username or SAMPLE_USER, settings.users.uid, settings.users.gid, groups)


def rehearse(
    settings: Settings, plugins: Plugins, selection: Selection | None = None, *, deployed: bool = False
) -> Rehearsal:
    """Rehearse what users may start, and return what would be made and everything that would be refused.

    No step is applied, and neither a cluster nor a broker is used, so nothing is changed. The plugins are those that
    the service would load, a site's own included. Set ``deployed`` if the settings include the service's environment:
    then missing tokens are a refusal, not a warning.
    """
    selection = selection or Selection()
    service_context, findings = offline_context(settings, plugins), Findings()
    for problem in problems_of_service(settings, plugins, deployed=deployed):
        findings.add(problem)
    rehearser, user = Rehearser(service_context, findings), selection.user(settings)
    labs = [rehearser.run(candidate) for candidate in _labs(plugins, selection, user)]
    caller = _caller(labs) or _caller(
        [rehearser.silent().run(candidate) for candidate in islice(_first_labs(plugins, user), 1)]
    )
    clusters = [rehearser.run(candidate, caller) for candidate in _clusters(plugins, selection, user)]
    manifests = (manifest for spawn in (*labs, *clusters) for manifest in spawn.manifests)
    pods = [manifest for manifest in manifests if manifest["kind"] == "Pod" and rehearser.types.fits(manifest)]
    if (fence := fence_problem(pods, settings)) is not None:
        findings.add(fence)
    for setting in ("pods.allow", "broker.pod_security", "pods.images"):
        findings.paste(setting, openings_to_paste(pods, settings))
    findings.paste("cluster", ignore_to_paste(rehearser.missing, settings), code="reference_missing")
    return Rehearsal(
        (*labs, *clusters),
        findings.sorted(list(settings.plugins)),
        tuple(dict.fromkeys((*unrehearsed(plugins), *rehearser.unrehearsed, *_texts(plugins, user)))),
    )


def _labs(plugins: Plugins, selection: Selection, user: User) -> Iterator[Candidate]:
    if Kind.LAB not in selection.kinds or not plugins.provides(Kind.LAB):
        return
    if selection.options:
        candidates = [Candidate(Kind.LAB, user, selection.name, selection.options, selection.options)]
    else:
        candidates = list(lab_candidates(plugins.form(user), user, selection.name, every=selection.every))
    yield from candidates
    if selection.username is None:
        yield from odd_candidates(candidates)


def _texts(plugins: Plugins, user: User) -> Iterator[Unrehearsed]:
    for field_ in free_text_fields(plugins.form(user)):
        yield Unrehearsed(field_.label, f"the user writes its text: rehearse it with --option {field_.text_name}=TEXT")


def _first_labs(plugins: Plugins, user: User) -> Iterator[Candidate]:
    if plugins.provides(Kind.LAB):
        yield from lab_candidates(plugins.form(user), user, DEFAULT_LAB, every=False)


def _clusters(plugins: Plugins, selection: Selection, user: User) -> Iterator[Candidate]:
    if Kind.DASK not in selection.kinds or not plugins.provides(Kind.DASK):
        return
    if selection.options and Kind.LAB in selection.kinds:
        return
    if selection.options:
        name = cluster_name(user.username, "rehearsal")
        candidates = [Candidate(Kind.DASK, user, name, selection.options, selection.options)]
    else:
        candidates = list(
            dask_candidates(plugins.cluster_options(user), plugins.worker_groups(), user, every=selection.every)
        )
    yield from candidates
    if selection.username is None:
        yield from odd_candidates(candidates[:1])


def _caller(labs: Sequence[RehearsedSpawn]) -> Caller | None:
    """Return the lab that requests Dask clusters: they use its image."""
    for lab in labs:
        for manifest in lab.manifests:
            if manifest["kind"] == "Pod":
                return Caller(lab.name, "rehearsal", _image(manifest))
    return None


def _image(pod: Manifest) -> str:
    return str(pod["spec"]["containers"][0].get("image") or "")
