"""``spawnpenny doctor``: diagnose a deployment, and say what to do."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from spawnpenny.admin.doctor.examine import examine
from spawnpenny.admin.doctor.finding import Finding, Level
from spawnpenny.cli import exits
from spawnpenny.cli.deployment import deployment_of, deployment_options
from spawnpenny.cli.logging import configure_logs
from spawnpenny.cli.options import settings_option
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.load import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from spawnpenny.broker.orders import Orders
    from spawnpenny.plugin.manager import Plugins
    from spawnpenny.settings.model import Settings

_WORDS: Final = {Level.OK: "ok", Level.UNKNOWN: "unknown", Level.WARNING: "warning", Level.FAILURE: "FAILURE"}


@click.command()
@settings_option
@deployment_options
@click.option("--url", help="Where the service answers; without it, it is not asked.")
@click.option("--kubeconfig", type=click.Path(dir_okay=False), help="Instead of the pod's own account, or kubectl's.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def doctor(
    *,
    file: str | None,
    overlay: Path | None,
    rendered: Path | None,
    url: str | None,
    kubeconfig: str | None,
    output: str,
) -> int:
    """Look a deployment on Kubernetes over: what is wrong with it, and what to do.

    It changes nothing, and uses the rights at hand: an administrator's show most, the service's own account's some.
    It ends with 0 where nothing is wrong, which leaves room for warnings, and with 1 otherwise.
    """
    configure_logs("console", level="ERROR")  # the findings say what cannot be reached
    deployment = deployment_of(file, overlay, rendered)
    settings = load_settings(file) if deployment is None else deployment.settings()
    if settings.cluster != "kubernetes":
        raise exits.UsageError("The doctor looks at deployments on Kubernetes; these settings have another cluster.")
    orders = None if deployment is None else deployment.orders()
    found = asyncio.run(_examine(settings, load_plugins(settings), url, orders, kubeconfig))
    healthy = all(each.level is not Level.FAILURE for each in found)
    if output == "json":
        told = {"healthy": healthy, "findings": [asdict(each) for each in found]}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        for line in _lines(found, healthy=healthy):
            click.echo(line)
    return exits.DONE if healthy else exits.FAILED


async def _examine(
    settings: Settings, plugins: Plugins, url: str | None, orders: Orders | None, kubeconfig: str | None
) -> list[Finding]:
    from spawnpenny.kubernetes.client import KubernetesCluster  # noqa: PLC0415 - slow, and only for this

    async with await KubernetesCluster.connect(kubeconfig, timeout=5, patience=10) as cluster:
        return await examine(settings, plugins, cluster, url=url, orders=orders)


def _lines(found: list[Finding], *, healthy: bool) -> Iterator[str]:
    width = max(len(each.check) for each in found)
    for each in found:
        yield f"{_WORDS[each.level]:8} {each.check:{width}}  {each.says}"
        if each.do:
            yield f"{'':8} {'':{width}}  -> {each.do}"
    yield ""
    if not healthy:
        yield "Something is wrong."
    elif any(each.level is Level.UNKNOWN for each in found):
        yield "Nothing is wrong, as far as these rights can tell."
    else:
        yield "Nothing is wrong."
