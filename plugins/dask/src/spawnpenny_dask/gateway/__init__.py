"""The protocol of dask-gateway's client."""
