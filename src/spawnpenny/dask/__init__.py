"""Dask clusters: the REST API, the protocol of dask-gateway's client, and the proxy."""
