"""The domain of spawnpenny: users, labs, names, quantities, events. Standard library only, no I/O."""
