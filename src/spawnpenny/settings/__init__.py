"""Settings of the service and the broker: their model, their schema, and where they are read from."""
