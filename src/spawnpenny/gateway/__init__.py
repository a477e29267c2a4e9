"""Where Dask clusters are asked for, and how they are reached."""
