"""The embedded cluster of ``spawnpenny demo``: objects in memory, pods as local processes.

``embedded.cluster`` has the cluster; ``embedded.node.orphans.end_orphans`` ends the processes of a killed one.
"""
