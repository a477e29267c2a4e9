"""Whatever comes, the service answers with what it means to."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
BODIES = st.fixed_dictionaries(
    {"start": st.sampled_from(["s1", "s2"]) | JSON},
    optional={"options": JSON, "env": JSON | st.dictionaries(st.text(), st.text()), "timeout_s": JSON},
)
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def test_no_name_leads_to_an_error_of_ours(hub):
    await _ask_all(hub, st.tuples(st.text(max_size=300), st.text(max_size=80)), _by_name)


async def test_no_body_leads_to_an_error_of_ours(hub):
    await _ask_all(hub, BODIES | JSON, _by_body)


async def _by_name(hub, names):
    user, lab = (quote(name.encode("utf-8", "replace"), safe="") for name in names)
    return await hub.get(f"/v1/users/{user}/labs/{lab}")


async def _by_body(hub, body):
    return await hub.put("/v1/users/ada/labs/x?replace=true", data=json.dumps(body).encode())


async def _ask_all(hub, strategy, ask):
    loop = asyncio.get_running_loop()

    @MANY
    @given(strategy)
    def run(example):
        response = asyncio.run_coroutine_threadsafe(ask(hub, example), loop).result(timeout=100)
        assert response.status < 500

    await asyncio.to_thread(run)
