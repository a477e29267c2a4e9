"""Rehearse spawns: make what a user would get, without a cluster, and find what would be refused.

``rehearse.rehearse`` is the entry point; it returns a ``result.Rehearsal``.
"""
