"""What all parts of spawnpenny declare that they use of a cluster, made into the RBAC of its two accounts."""
