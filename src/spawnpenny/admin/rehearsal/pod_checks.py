"""Check pods against the settings: hardening rules, image patterns, pod security level, admission policies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import yaml

from spawnpenny.admin.rehearsal.result import Problem, Severity
from spawnpenny.embedded.api.rules.served import faults_of_unserved
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.kubernetes.pods.security_standards import containers, images_of
from spawnpenny.pipeline.pod_needs import PodNeeds, pod_needs, settings_to_paste
from spawnpenny.settings.model import Settings


def problems_of_pod(pod: Manifest, settings: Settings) -> Iterator[Problem]:
    """Yield the problems of a pod: what the settings do not allow."""
    needs = pod_needs([pod])
    for opening in needs.closed(settings.pods.allow):
        yield Problem(
            "pods.allow", "pod_not_hardened", f"{_sentence(opening.reason)}; pods.allow lacks {opening.word}."
        )
    for opening in needs.closed_paths(settings.pods.host_paths):
        message = f"{_sentence(opening.reason)}; pods.host_paths lacks it."
        yield Problem("pods.host_paths", "pod_not_hardened", message)
    likely: dict[str, list[str]] = {}
    for opening in needs.likely_closed(settings.pods.allow):
        likely.setdefault(opening.reason, []).append(opening.word)
    for reason, words in likely.items():
        message = f"{_sentence(reason)}; pods.allow lacks {', '.join(words)}."
        yield Problem("pods.allow", "capability_likely", message, severity=Severity.WARNING)
    yield from _level(needs, settings)
    yield from _images(pod, settings)
    if settings.cluster == "embedded":
        yield from _embedded(pod, settings)


def _level(needs: PodNeeds, settings: Settings) -> Iterator[Problem]:
    level = settings.broker.pod_security
    if needs.level_lacks(level):
        message = (
            f"A pod needs the Pod Security level {needs.level}, but user namespaces have the level {level}: "
            "Kubernetes refuses the pod."
        )
        severity = Severity.WARNING if settings.cluster == "embedded" else Severity.REFUSAL
        advice = (
            "Set it for the broker and for the service: they have separate settings (broker-settings.yaml and "
            "settings.yaml of an overlay)."
            if settings.broker.separate and settings.cluster != "embedded"
            else ""
        )
        yield Problem("broker.pod_security", "pod_security", message, advice, severity=severity)


def _images(pod: Manifest, settings: Settings) -> Iterator[Problem]:
    for name, image in images_of(pod["spec"]):
        if image and not _is_allowed(image, settings):
            message = (
                f"The image {image} of {name} matches none of the patterns in "
                f"pods.images ({', '.join(settings.pods.images) or 'none'})."
            )
            yield Problem("pods.images", "image_not_allowed", message)


def _is_allowed(image: str, settings: Settings) -> bool:
    return any(fnmatchcase(image, pattern) for pattern in settings.pods.images)


def _embedded(pod: Manifest, settings: Settings) -> Iterator[Problem]:
    for container in containers(pod["spec"]):
        image = str(container.get("image") or "")
        if image and image not in settings.embedded.images:
            yield Problem(
                "embedded.images",
                "image_unavailable",
                f"The embedded cluster has no command for the image {image}.",
                f"Add a command for it. Known images: {', '.join(sorted(settings.embedded.images)) or 'none'}.",
                _yaml({"embedded": {"images": {image: ["{python}", "-P", "{lab}", "{pod_ip}"]}}}),
            )
    for fault in faults_of_unserved(pod["spec"]):
        yield Problem("cluster", "volume_unsupported", f"{fault}.", "Use another volume, or set cluster: kubernetes.")


def openings_to_paste(pods: Sequence[Manifest], settings: Settings) -> str:
    """Return sections to paste into the settings: they open what the pods need, and allow their images."""
    images = dict.fromkeys(image for pod in pods for _, image in images_of(pod["spec"]))
    lacking = [image for image in images if image and not _is_allowed(image, settings)]
    allowed = replace(settings.pods, images=(*settings.pods.images, *lacking))
    opened = settings_to_paste(pod_needs(pods), allowed, settings.broker)
    if not lacking or "pods:" in opened:
        return opened
    section: dict[str, Any] = {"images": list(allowed.images)}
    if settings.pods.allow:
        section["allow"] = list(settings.pods.allow)
    if settings.pods.host_paths:
        section["host_paths"] = list(settings.pods.host_paths)
    return _yaml({"pods": section}) + opened


def fence_problem(pods: Sequence[Manifest], settings: Settings) -> Problem | None:
    """Return a warning that the admission policies have to allow the openings that pods need."""
    needs = pod_needs(pods)
    if not needs.openings or settings.cluster == "embedded":
        return None
    words = ", ".join(dict.fromkeys(opening.word for opening in needs.openings))
    return Problem(
        "policy",
        "fence",
        f"If the admission policies are installed (Kubernetes 1.30 and later), they have to open {words} too.",
        "Write them into the overlay and apply it: spawnpenny permissions --overlay OVERLAY --output kustomize",
        severity=Severity.WARNING,
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _yaml(data: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(data, sort_keys=False)
    return text
