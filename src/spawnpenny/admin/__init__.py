"""Work of administrators on settings and deployments, beside the running service."""
