"""Find the steps that cannot be rehearsed: only their ``apply`` knows what they make."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from spawnpenny.admin.rehearsal.result import Unrehearsed
from spawnpenny.pipeline.step import Step

if TYPE_CHECKING:
    from spawnpenny.plugin.manager import Plugins


def unrehearsed(plugins: Plugins) -> Iterator[Unrehearsed]:
    """Yield the steps of which only ``apply`` knows what they make."""
    for step in plugins.steps:
        if type(step).manifests is not Step.manifests or type(step).apply is Step.apply:
            continue
        verbs = {verb for permission in step.permissions for verb in permission.verbs}
        if verbs & {"claim", "release"}:
            yield Unrehearsed(step.name, "the broker makes the namespace")
        elif "provision" in verbs:
            yield Unrehearsed(step.name, "the broker runs the site's orders")
        else:
            yield Unrehearsed(step.name, f"only its apply knows what it makes (plugin {plugins.origin[step.name]})")
