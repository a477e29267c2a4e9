"""Move a site from KubeSpawner: translate its settings, and plan how to take over its users' namespaces and volumes.

Nothing here connects to a cluster. Changes that need an administrator's rights are written as a script to read and run.
"""
