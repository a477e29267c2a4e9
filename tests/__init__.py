"""Tests of spawnpenny, and in ``tests.kit`` what they share."""
