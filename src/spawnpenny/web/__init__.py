"""The HTTP API of users and labs."""
