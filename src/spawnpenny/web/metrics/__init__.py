"""Counters, timers and gauges of the service, for Prometheus. ``docs/reference/metrics.md`` lists them.

Every application has its own registry. No label has a user, a lab or a namespace as its value: their number has no
bound, and readers of metrics need not know who works when.
"""
