"""Ray's dashboard, as the proxy shows it to its user: the pages, and the part of its API that only reads."""

from __future__ import annotations

from typing import Final

from spawnpenny.api import Dashboard

HEADER: Final = "X-Ray-Authorization"
"""A header that Ray reads beside ``Authorization``, for proxies."""
_FILES: Final = r"/(?:favicon\.ico|(?:static|speedscope-[0-9.]+)/.+)"
_NODES: Final = r"/(?:nodes|logical/actors)(?:/[A-Za-z0-9]+)?"
_ABOUT: Final = r"/(?:timezone|events|cluster_id|usage_stats_enabled)"
_API: Final = (
    r"authentication_mode|version|ray/version|profiling_enabled|cluster_status|component_activities|grafana_health"
    r"|prometheus_health|gcs_healthz|healthz|serve/applications/?|data/datasets/[A-Za-z0-9]+|train/v2/runs(?:/v1)?"
    r"|jobs/?|jobs/[A-Za-z0-9_-]+(?:/logs)?"
)
_STATE: Final = (
    r"(?:actors|jobs|nodes|placement_groups|workers|tasks|objects|runtime_envs|runtime_env_redaction|cluster_metadata"
    r"|cluster_events|platform_events|logs|logs/file|logs/stream|tasks/timeline|(?:tasks|actors|objects)/summarize)"
)
PATHS: Final = rf"/?|{_FILES}|{_NODES}|{_ABOUT}|/api/(?:{_API}|v0/{_STATE})"
"""Left out are the GET routes that attach a profiler to a process, and those that are for programs."""

DASHBOARD: Final = Dashboard(PATHS, scripted=True, authenticated=True)
