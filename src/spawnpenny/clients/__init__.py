"""Clients of the HTTP API. They need aiohttp alone, and import nothing of the server."""
