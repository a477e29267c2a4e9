"""Migration from dask-gateway."""
