"""What the service counts and times, for Prometheus. ``docs/reference/metrics.md`` lists all of it.

A registry an application: nothing is counted in a global one. No label ever has a user, a lab or a namespace as its
value, as there is no end of them, and as whoever reads metrics need not know who works when.
"""
