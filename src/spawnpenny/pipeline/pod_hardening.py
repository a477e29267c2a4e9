"""Refuse pods that need more than the settings open, after all patches are merged."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.kubernetes.pods.security_standards import images_of
from spawnpenny.pipeline.errors import HardeningError
from spawnpenny.pipeline.pod_needs import PodNeeds, pod_needs, sentences, settings_to_paste
from spawnpenny.settings.sections import BrokerSettings, PodSettings

_BROKER: Final = BrokerSettings()


def check_pod(
    pod: Manifest,
    *,
    allowed: Sequence[str],
    images: Sequence[str],
    host_paths: Sequence[str] = (),
    broker: BrokerSettings = _BROKER,
) -> None:
    """Refuse a pod that needs more than the settings open; without ``host_paths``, ``hostPath`` opens all folders.

    Raises:
        HardeningError: All that it needs, with the settings to paste; or the images that ``pods.images`` lacks.

    """
    needs = pod_needs([pod])
    settings = PodSettings(tuple(allowed), tuple(images), tuple(host_paths))
    if needs.closed(allowed) or needs.closed_paths(host_paths):
        raise HardeningError(_refusal(needs, settings, broker))
    for name, image in images_of(pod["spec"]):
        if not any(fnmatchcase(image, pattern) for pattern in images):
            raise HardeningError(
                f"The image {image} of {name} matches none of the patterns in "
                f"pods.images ({', '.join(images) or 'none'}). To allow it, add it, or a pattern, to pods.images."
            )


def _refusal(needs: PodNeeds, pods: PodSettings, broker: BrokerSettings) -> str:
    closed = [*needs.closed(pods.allow), *needs.closed_paths(pods.host_paths), *needs.likely_closed(pods.allow)]
    fence = " The fence follows these settings: see Openings in docs/reference/settings.md."
    return (
        f"The settings do not open what the pod needs: {sentences(closed)}.{fence} To open it, an administrator sets:\n"
        f"{settings_to_paste(needs, pods, broker)}"
    ).rstrip()
