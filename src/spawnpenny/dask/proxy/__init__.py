"""``spawnpenny proxy``: passes TLS through to schedulers by its server name, and serves their dashboards.

A process of its own, with no rights in Kubernetes. It knows of clusters what the service's ``/v1/routes`` tells.
"""
