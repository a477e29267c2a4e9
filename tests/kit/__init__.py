"""The part of the test kit that only the tests of spawnpenny itself need; ``spawnpenny.testing`` has the rest."""
