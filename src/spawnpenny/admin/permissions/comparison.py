"""Compare the roles, bindings and fence of a rendered deployment with those of its settings and plugins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from spawnpenny.admin.permissions.fence_comparison import fence_differences
from spawnpenny.admin.permissions.rendered import Rendered
from spawnpenny.admin.permissions.rules import rights_of
from spawnpenny.kubernetes.interface import Manifest

_FEW = 10


def differences(rendered: Rendered, desired: Iterable[Manifest]) -> Iterator[str]:
    """Yield a sentence for each desired object that is missing, and for each difference in an existing one."""
    desired = tuple(desired)
    for manifest in desired:
        found = rendered.find(manifest["kind"], manifest["metadata"]["name"], manifest["metadata"].get("namespace"))
        if found is None:
            yield f"The {_name(manifest)} is missing."
        elif "rules" in manifest:
            yield from _of_role(manifest, found)
        elif "spec" in manifest:
            yield from fence_differences(found, manifest)
        elif (found["roleRef"], found.get("subjects")) != (manifest["roleRef"], manifest["subjects"]):
            yield f"The {_name(manifest)} binds another role or another account."
    yield from _foreign(rendered, desired)


def _of_role(desired: Manifest, found: Manifest) -> Iterator[str]:
    want, have = rights_of(desired["rules"]), rights_of(found.get("rules") or ())
    if want - have:
        yield f"The {_name(desired)} lacks needed rights: {_few(want - have)}."
    if have - want:
        yield f"The {_name(desired)} gives rights that nothing needs: {_few(have - want)}."


def _foreign(rendered: Rendered, desired: tuple[Manifest, ...]) -> Iterator[str]:
    """Yield a sentence for each further role that our accounts are bound to."""
    ours = {_id(manifest) for manifest in desired}
    accounts = {
        (subject["namespace"], subject["name"])
        for manifest in desired
        if "roleRef" in manifest
        for subject in manifest["subjects"]
    }
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        for binding in rendered.of_kind(kind):
            subjects = {(subject.get("namespace"), subject["name"]) for subject in binding.get("subjects") or ()}
            if _id(binding) not in ours and subjects & accounts:
                role = binding["roleRef"]
                yield f"The {_name(binding)} gives our account the {role['kind']} {role['name']}, which nothing needs."


def _id(manifest: Manifest) -> tuple[str, str, str | None]:
    return manifest["kind"], manifest["metadata"]["name"], manifest["metadata"].get("namespace")


def _name(manifest: Manifest) -> str:
    kind, name, namespace = _id(manifest)
    return f"{kind} {name}{f' in {namespace}' if namespace else ''}"


def _few(rights: set[str]) -> str:
    shown = sorted(rights)
    more = f" and {len(shown) - _FEW} more" if len(shown) > _FEW else ""
    return ", ".join(shown[:_FEW]) + more
