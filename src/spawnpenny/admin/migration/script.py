"""Write the migration script for an administrator to read and run: plain shell and kubectl, with names of objects."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Final

from spawnpenny.admin.migration.plan import Action, Adoption, Labelling, Move, NewNamespace, Plan
from spawnpenny.domain.hashes import content_hash
from spawnpenny.kubernetes.interface import Manifest

MIGRATED: Final = "spawnpenny.io/migrated"
"""The annotation of objects that the script has labelled: a hash of the labels and annotations that it added."""
_BINDER: Final = "pv.kubernetes.io/"


def write_script(plan: Plan, source: str) -> str:
    """Return the script for a plan; ``source`` names the files that it was made from."""
    functions = files("spawnpenny.admin.migration").joinpath("functions.sh").read_text(encoding="utf-8")
    head = ["#!/bin/sh", f"# Written by `spawnpenny migrate` from {_in_a_line(source)}.", "#"]
    head += [f"# Left alone: {_in_a_line(reason)}" for reason in plan.left]
    calls = (shlex.join(call) for action in plan.actions for call in _calls(action))
    return "\n".join(
        (*head, functions, "actions() {", *(f"  {call}" for call in calls), "  :", "}", "", "carry_out", "")
    )


def _calls(action: Action) -> Iterator[list[str]]:
    match action:
        case NewNamespace(manifest):
            yield ["new_namespace", manifest["metadata"]["name"], _json(manifest)]
        case Adoption(before, after):
            yield _labelled("namespace", before, after)
        case Labelling(before, after):
            yield _labelled("pvc", before, after)
        case Move(volume, policy, before, after):
            ends = [argument for claim in (before, after) for argument in _end(claim)]
            yield ["volume", volume, policy, *ends]


def _labelled(kind: str, before: Manifest, after: Manifest) -> list[str]:
    metadata = after["metadata"]
    desired = {key: dict(metadata.get(key) or {}) for key in ("labels", "annotations")}
    fingerprint = content_hash([metadata["name"], desired])
    desired["annotations"][MIGRATED] = fingerprint
    carried = before["metadata"]
    former = {key: {name: (carried.get(key) or {}).get(name) for name in given} for key, given in desired.items()}
    former["annotations"][MIGRATED] = None
    place = metadata.get("namespace", "")
    return ["label", kind, metadata["name"], place, _patch(desired), _patch(former), fingerprint]


def _end(claim: Manifest) -> list[str]:
    metadata = claim["metadata"]
    notes = {key: value for key, value in (metadata.get("annotations") or {}).items() if not key.startswith(_BINDER)}
    spec = {key: value for key, value in claim["spec"].items() if value is not None}
    manifest = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": metadata.get("labels") or {},
            "annotations": notes,
        },
        "spec": spec,
    }
    return [metadata["namespace"], metadata["name"], _json(manifest)]


def _in_a_line(text: str) -> str:
    return " ".join(text.split())


def _patch(metadata: dict[str, dict[str, Any]]) -> str:
    return _json({"metadata": metadata})


def _json(manifest: Any) -> str:
    return json.dumps(manifest, ensure_ascii=True, separators=(",", ":"))
