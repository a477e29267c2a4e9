"""``spawnpenny plugin``: commands for authors of plugins."""
