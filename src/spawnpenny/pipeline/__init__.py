"""Steps of spawns: the interface that plugins implement, their order, and the runner."""
