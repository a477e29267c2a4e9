"""The life of spawns: admission, records, controllers, adoption and deletion."""
