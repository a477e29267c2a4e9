"""The broker: work that needs more rights than the web-facing service has, on user namespaces and orders."""
