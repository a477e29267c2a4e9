"""Middlewares of the HTTP API."""
