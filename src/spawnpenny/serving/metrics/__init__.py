"""Metrics that every process has, and their text."""
