"""The port to a cluster, and the implementation for Kubernetes."""
