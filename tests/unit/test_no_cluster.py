"""A spawn that is only looked at has no cluster, and says so where a step uses it."""

from __future__ import annotations

import pytest

from spawnpenny.pipeline.no_cluster import NoCluster
from spawnpenny.pipeline.step_cluster import StepCluster


@pytest.mark.parametrize("name", [name for name in vars(StepCluster) if not name.startswith("_")])
def test_every_use_says_which_methods_have_a_cluster(name):
    with pytest.raises(LookupError, match=rf"spawn\.cluster\.{name}: .* apply has the cluster\.$"):
        getattr(NoCluster(), name)
