"""Rehearse spawns: make their manifests, check them against every rule, and find what keeps them from starting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from spawnpenny.admin.rehearsal.candidates import (
    SAMPLE_USER,
    Candidate,
    cluster_candidates,
    form_candidates,
    free_text_fields,
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
from spawnpenny.domain.kinds import Kind, OptionSource
from spawnpenny.domain.names import DEFAULT_LAB, cluster_name
from spawnpenny.domain.spawns import Caller
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
        kind: The name of the only kind to rehearse; None for all. Without it, options belong to the first kind.

    """

    username: str | None = None
    groups: tuple[str, ...] = ()
    name: str = DEFAULT_LAB
    options: Mapping[str, Any] = field(default_factory=dict)
    every: bool = False
    kind: str | None = None

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
    kinds = _selected(plugins, selection)
    labs = _rehearsed(rehearser, plugins, selection, [kind for kind in kinds if kind.lab_token])
    caller = _caller(labs) or _caller(
        [rehearser.silent().run(candidate) for candidate in islice(_first_labs(plugins, user), 1)]
    )
    others = _rehearsed(rehearser, plugins, selection, [kind for kind in kinds if not kind.lab_token], caller)
    manifests = (manifest for spawn in (*labs, *others) for manifest in spawn.manifests)
    pods = [manifest for manifest in manifests if manifest["kind"] == "Pod" and rehearser.types.fits(manifest)]
    if (fence := fence_problem(pods, settings)) is not None:
        findings.add(fence)
    for setting in ("pods.allow", "broker.pod_security", "pods.images"):
        findings.paste(setting, openings_to_paste(pods, settings))
    findings.paste("cluster", ignore_to_paste(rehearser.missing, settings), code="reference_missing")
    return Rehearsal(
        (*labs, *others),
        findings.sorted(list(settings.plugins)),
        tuple(dict.fromkeys((*unrehearsed(plugins), *rehearser.unrehearsed, *_texts(plugins, user)))),
    )


def _rehearsed(
    rehearser: Rehearser, plugins: Plugins, selection: Selection, kinds: Sequence[Kind], caller: Caller | None = None
) -> list[RehearsedSpawn]:
    user = selection.user(rehearser.service_context.settings)
    return [
        rehearser.run(candidate, caller) for kind in kinds for candidate in _candidates(plugins, selection, user, kind)
    ]


def _candidates(plugins: Plugins, selection: Selection, user: User, kind: Kind) -> Iterator[Candidate]:
    """Yield the spawns of a kind to rehearse; with options, one with these."""
    if selection.options:
        candidates = [Candidate(kind, user, _name(selection, user, kind), selection.options, selection.options)]
    else:
        candidates = list(_choices(plugins, selection, user, kind))
    yield from candidates
    if selection.username is None:
        yield from odd_candidates(candidates if kind.options is OptionSource.FORM else candidates[:1])


def _choices(plugins: Plugins, selection: Selection, user: User, kind: Kind) -> Iterator[Candidate]:
    name = _name(selection, user, kind)
    if kind.has_form:
        yield from form_candidates(kind, plugins.form_of(kind.name, user), user, name, every=selection.every)
        return
    match kind.options:
        case OptionSource.CLUSTER:
            options, groups = plugins.cluster_options(user, kind.name), plugins.worker_groups(kind.name)
            yield from cluster_candidates(kind, options, groups, user, every=selection.every)
        case _:
            yield Candidate(kind, user, name, kind.sample)


def _name(selection: Selection, user: User, kind: Kind) -> str:
    return selection.name if kind.options is OptionSource.FORM else cluster_name(user.username, "rehearsal")


def _selected(plugins: Plugins, selection: Selection) -> list[Kind]:
    """Return the kinds to rehearse: those of labs first, as others may use their image."""
    provided = [kind for kind in plugins.kinds.of_plugins if plugins.provides(kind.name)]
    if selection.kind is not None:
        return [kind for kind in provided if kind.name == selection.kind]
    return provided[:1] if selection.options else provided


def _texts(plugins: Plugins, user: User) -> Iterator[Unrehearsed]:
    for field_ in free_text_fields(plugins.form(user)):
        yield Unrehearsed(field_.label, f"the user writes its text: rehearse it with --option {field_.text_name}=TEXT")


def _first_labs(plugins: Plugins, user: User) -> Iterator[Candidate]:
    for kind in _selected(plugins, Selection()):
        if kind.lab_token:
            yield from _choices(plugins, Selection(), user, kind)


def _caller(labs: Sequence[RehearsedSpawn]) -> Caller | None:
    """Return the lab that requests the other kinds: they may use its image."""
    for lab in labs:
        for manifest in lab.manifests:
            if manifest["kind"] == "Pod":
                return Caller(lab.name, "rehearsal", _image(manifest))
    return None


def _image(pod: Manifest) -> str:
    return str(pod["spec"]["containers"][0].get("image") or "")
