"""The Kubernetes API: the interface that spawnpenny needs of a cluster, a client, and informers."""
