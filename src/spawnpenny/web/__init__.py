"""The HTTP API: ``web.app.create_app`` makes the application; ``web.routes`` has the one table of its routes."""
