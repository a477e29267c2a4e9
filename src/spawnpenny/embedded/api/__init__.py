"""The API server of the embedded cluster: objects in memory, admission and validation."""
