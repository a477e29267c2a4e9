"""What Kubernetes' events of a pod say to the one who waits for it."""

from __future__ import annotations

import pytest

from spawnpenny.domain.events import Severity
from spawnpenny.kubernetes.pods.events import PLAIN, worded

ATTACH = 'Multi-Attach error for volume "pvc-1"\n Volume is already used by pod(s) lab-b'


def event(type_, reason, message=""):
    return {"type": type_, "reason": reason, "message": message}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (event("Normal", "Pulling", 'Pulling image "x"'), (PLAIN["Pulling"], Severity.NORMAL)),
        (event("Normal", "TriggeredScaleUp", "pod triggered scale-up: [{…}]"), (PLAIN["TriggeredScaleUp"], "normal")),
        (
            event("Warning", "FailedAttachVolume", ATTACH),
            (f"{PLAIN['FailedAttachVolume']} ({' '.join(ATTACH.split())})", "warning"),
        ),
        (event("Warning", "Unhealthy", "Readiness probe failed: dial tcp"), (PLAIN["Unhealthy"], Severity.WARNING)),
        (event("Warning", "SomethingNew", "it is odd"), ("The cluster says: it is odd", Severity.WARNING)),
        (event("Warning", "SomethingNew"), ("The cluster says: SomethingNew", Severity.WARNING)),
        (event("Normal", "SomethingNew", "all is well"), None),
        (event("Warning", "FailedScheduling", "0/3 nodes are available"), None),
        ({}, None),
    ],
    ids=["image", "autoscaler", "volume", "probe", "new warning", "no message", "new", "reported by the pod", "empty"],
)
def test_reasons_are_reported_in_plain_words_and_warnings_with_what_the_cluster_says(given, expected):
    assert worded(given) == expected


def test_what_is_quoted_has_its_secrets_taken_out_and_is_cut():
    message, severity = worded(event("Warning", "FailedMount", "token s3cret " + "x" * 500), quote=hide)
    assert "s3cret" not in message
    assert message.endswith("…)")
    assert severity is Severity.WARNING


def hide(text):
    return text.replace("s3cret", "***")
