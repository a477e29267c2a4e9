"""The refusal of pods that need more than the settings open, after all patches are merged."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

from spawnpenny.cluster.port import Manifest
from spawnpenny.errors import HardeningError
from spawnpenny.pipeline.pod_needs import PodNeeds, pod_needs, sentences, settings_to_paste
from spawnpenny.pipeline.pod_security import containers
from spawnpenny.settings import BrokerSettings, PodSettings

_BROKER: Final = BrokerSettings()


def check_pod(
    pod: Manifest, *, allowed: Sequence[str], images: Sequence[str], broker: BrokerSettings = _BROKER
) -> None:
    """Refuse a pod that needs more than the settings open.

    Raises:
        HardeningError: All that it needs, with the settings to paste; or the images that ``pods.images`` lacks.

    """
    needs = pod_needs([pod])
    if needs.closed(allowed):
        raise HardeningError(_refusal(needs, PodSettings(tuple(allowed), tuple(images)), broker))
    for container in containers(pod["spec"]):
        if not any(fnmatchcase(container["image"], pattern) for pattern in images):
            raise HardeningError(
                f"The image {container['image']} of the container {container['name']} matches none of the patterns in "
                f"pods.images ({', '.join(images) or 'none'}). To allow it, add it, or a pattern, to pods.images."
            )


def _refusal(needs: PodNeeds, pods: PodSettings, broker: BrokerSettings) -> str:
    found = sentences([*needs.closed(pods.allow), *needs.likely_closed(pods.allow)])
    fence = " The fence, where it is installed, needs the same: see Openings in docs/settings.md."
    return (
        f"The settings do not open what the pod needs: {found}.{fence} To open it, an administrator sets:\n"
        f"{settings_to_paste(needs, pods, broker)}"
    ).rstrip()
