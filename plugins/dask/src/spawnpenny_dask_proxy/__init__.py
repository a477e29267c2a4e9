"""``spawnpenny proxy``: pass TLS through to schedulers by its server name, and serve their dashboards.

A process of its own, with no rights in Kubernetes. It knows of clusters only what the service's ``/v1/routes`` sends.
"""
