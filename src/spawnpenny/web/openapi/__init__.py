"""The OpenAPI document of the HTTP API, and a page that shows it."""
