"""Clients of the HTTP API. They need only aiohttp, and import nothing of the server."""
