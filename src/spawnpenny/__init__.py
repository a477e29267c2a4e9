"""spawnpenny: spawns labs and Dask clusters, so that JupyterHub needs no Kubernetes rights."""
