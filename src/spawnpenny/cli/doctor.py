"""``spawnpenny doctor``: find what is wrong with a deployment, and print what to do."""

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
@click.option("--url", metavar="URL", help="The URL of the service; default: the service is not called.")
@click.option(
    "--kubeconfig",
    type=click.Path(dir_okay=False),
    help="A kubeconfig; default: the pod's ServiceAccount, or kubectl's kubeconfig.",
)
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="The format.")
def doctor(
    *,
    file: str | None,
    overlay: Path | None,
    rendered: Path | None,
    url: str | None,
    kubeconfig: str | None,
    output: str,
) -> int:
    """Find what is wrong with a deployment on Kubernetes.

    It prints each finding with what to do, and changes nothing. With the rights of an administrator it sees most, with
    those of the service's own account only a part.

    Exit codes: 0 if nothing is wrong, even with warnings, else 1.
    """
    configure_logs("console", level="ERROR")  # a finding reports what cannot be reached
    deployment = deployment_of(file, overlay, rendered)
    settings = load_settings(file) if deployment is None else deployment.settings()
    if settings.cluster != "kubernetes":
        raise exits.UsageError(
            "The doctor checks deployments on Kubernetes, but these settings are for another cluster."
        )
    orders = None if deployment is None else deployment.orders()
    found = asyncio.run(_examine(settings, load_plugins(settings), url, orders, kubeconfig))
    healthy = all(finding.level is not Level.FAILURE for finding in found)
    if output == "json":
        report = {"healthy": healthy, "findings": [asdict(finding) for finding in found]}
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        for line in _format(found, healthy=healthy):
            click.echo(line)
    return exits.DONE if healthy else exits.FAILED


async def _examine(
    settings: Settings, plugins: Plugins, url: str | None, orders: Orders | None, kubeconfig: str | None
) -> list[Finding]:
    from spawnpenny.kubernetes.client import KubernetesCluster  # noqa: PLC0415 - a slow import

    async with await KubernetesCluster.connect(kubeconfig, timeout=5, patience=10) as cluster:
        return await examine(settings, plugins, cluster, url=url, orders=orders)


def _format(found: list[Finding], *, healthy: bool) -> Iterator[str]:
    width = max(len(finding.check) for finding in found)
    for finding in found:
        yield f"{_WORDS[finding.level]:8} {finding.check:{width}}  {finding.says}"
        if finding.do:
            yield f"{'':8} {'':{width}}  -> {finding.do}"
    yield ""
    if not healthy:
        yield "Something is wrong."
    elif any(finding.level is Level.UNKNOWN for finding in found):
        yield "Nothing is wrong, as far as these rights show."
    else:
        yield "Nothing is wrong."
