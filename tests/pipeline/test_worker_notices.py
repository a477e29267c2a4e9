"""Notices about the workers of a spawn."""

from __future__ import annotations

from types import SimpleNamespace

from spawnpenny.api import WorkerNotices


def test_an_image_that_cannot_be_pulled_is_reported_once_whatever_the_cluster_calls_it():
    sent = []
    notices = WorkerNotices(SimpleNamespace(notify=lambda message, *_, **__: sent.append(message)), lambda: 0.0)
    for reason, message in (("ErrImagePull", "manifest unknown: not found"), ("ImagePullBackOff", "Back-off pulling")):
        waiting = {"reason": reason, "message": message}
        container = {"name": "worker", "image": "none", "state": {"waiting": waiting}}
        notices.check([{"metadata": {"name": "w-1"}, "status": {"phase": "Pending", "containerStatuses": [container]}}])
    assert sent == ["A worker does not start. The image none cannot be pulled: manifest unknown: not found."]
