"""The demo: a Hub, labs and Dask on this machine, without Kubernetes."""
