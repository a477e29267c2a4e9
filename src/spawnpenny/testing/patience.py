"""The time that a test waits for an event before it fails."""

from __future__ import annotations

from typing import Final

PATIENCE: Final = 120.0
"""Seconds: many times what a machine needs that does nothing else, as a shared one may be slow for a while."""
