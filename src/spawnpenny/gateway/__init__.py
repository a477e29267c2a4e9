"""The gateway of Dask clusters: the protocol of dask-gateway, and the proxy that leads to schedulers."""
