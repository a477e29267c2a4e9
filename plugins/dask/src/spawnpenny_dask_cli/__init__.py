"""The subcommand ``spawnpenny dask``. This package imports nothing of the service."""
