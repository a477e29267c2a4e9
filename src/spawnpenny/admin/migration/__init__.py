"""Moving from KubeSpawner: its settings as ours, and its users' namespaces and volumes as ones that spawnpenny takes.

Nothing here speaks to a cluster. What an administrator's rights are needed for is a script, to be read and then run.
"""
