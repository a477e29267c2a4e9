"""The REST API of Dask clusters."""
