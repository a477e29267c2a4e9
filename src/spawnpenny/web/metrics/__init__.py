"""Counters and timers of the service, for Prometheus. ``docs/reference/metrics.md`` lists all of them.

Each application has its own registry, not a global one. No label ever has a user, a lab or a namespace as its value:
their number has no bound, and readers of metrics need not know who works when.
"""
