"""The kind of Dask clusters, which the plugin ``dask`` declares."""

from typing import Final

DASK: Final = "dask"
