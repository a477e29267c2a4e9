"""The generic REST API of the kinds that plugins declare."""
