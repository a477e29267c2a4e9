"""Check settings and plugins without a cluster, as ``spawnpenny check`` does.

``check.check_settings`` and ``check.check_deployment`` are the entry points; they return a ``result.CheckResult``.
"""
