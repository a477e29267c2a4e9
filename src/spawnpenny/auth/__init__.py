"""Authentication of callers, and the lookup of users."""
