"""Compare the roles, bindings and fence of a rendered deployment with those of its settings and plugins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from spawnpenny.admin.permissions.fence_comparison import fence_differences
from spawnpenny.admin.permissions.rendered import Rendered
from spawnpenny.admin.permissions.rules import rights_of
from spawnpenny.kubernetes.interface import Manifest

_FEW = 10


def differences(rendered: Rendered, wanted: Iterable[Manifest]) -> Iterator[str]:
    """Yield a sentence for each of these objects that is missing, and for each way in which one is not as wanted."""
    wanted = tuple(wanted)
    for each in wanted:
        found = rendered.find(each["kind"], each["metadata"]["name"], each["metadata"].get("namespace"))
        if found is None:
            yield f"There is no {_name(each)}."
        elif "rules" in each:
            yield from _of_role(each, found)
        elif "spec" in each:
            yield from fence_differences(found, each)
        elif (found["roleRef"], found.get("subjects")) != (each["roleRef"], each["subjects"]):
            yield f"The {_name(each)} binds another role, or for another account."
    yield from _foreign(rendered, wanted)


def _of_role(wanted: Manifest, found: Manifest) -> Iterator[str]:
    want, have = rights_of(wanted["rules"]), rights_of(found.get("rules") or ())
    if want - have:
        yield f"The {_name(wanted)} lacks what is needed: {_few(want - have)}."
    if have - want:
        yield f"The {_name(wanted)} gives what nothing needs: {_few(have - want)}."


def _foreign(rendered: Rendered, wanted: tuple[Manifest, ...]) -> Iterator[str]:
    """Yield what else our accounts are bound to."""
    ours = {_id(each) for each in wanted}
    accounts = {
        (subject["namespace"], subject["name"]) for each in wanted if "roleRef" in each for subject in each["subjects"]
    }
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        for each in rendered.of_kind(kind):
            subjects = {(who.get("namespace"), who["name"]) for who in each.get("subjects") or ()}
            if _id(each) not in ours and subjects & accounts:
                role = each["roleRef"]
                yield f"The {_name(each)} gives our account the {role['kind']} {role['name']}, which nothing needs."


def _id(manifest: Manifest) -> tuple[str, str, str | None]:
    return manifest["kind"], manifest["metadata"]["name"], manifest["metadata"].get("namespace")


def _name(manifest: Manifest) -> str:
    kind, name, namespace = _id(manifest)
    return f"{kind} {name}{f' in {namespace}' if namespace else ''}"


def _few(rights: set[str]) -> str:
    shown = sorted(rights)
    more = f" and {len(shown) - _FEW} more" if len(shown) > _FEW else ""
    return ", ".join(shown[:_FEW]) + more
