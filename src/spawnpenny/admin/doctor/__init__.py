"""Diagnose a deployment: each check is a file, and says what is wrong and what to do."""
