"""The Kubernetes API: its objects, and how they are read."""
