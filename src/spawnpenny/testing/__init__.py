"""The test kit, for spawnpenny's own tests and for the tests of site plugins."""
