"""Turn the permissions that the parts of spawnpenny declare into RBAC for its two service accounts."""
