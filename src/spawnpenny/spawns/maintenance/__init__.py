"""Periodic maintenance: delete orphans, expired history and idle namespaces."""
