"""What spawnpenny talks about: users, labs, names, quantities, events. Standard library only, no I/O."""
