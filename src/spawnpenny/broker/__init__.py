"""What needs more rights than the web-facing service has: user namespaces and the site's orders."""
