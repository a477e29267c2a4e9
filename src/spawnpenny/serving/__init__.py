"""Serve aiohttp applications: the listener, refusals, health. Every process of spawnpenny uses these."""
