"""spawnpenny: spawns labs and other computations of users, so that JupyterHub needs no Kubernetes rights."""
