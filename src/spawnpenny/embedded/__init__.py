"""The one-machine cluster behind ``spawnpenny demo``: objects in memory, pods as local processes.

``embedded.cluster`` has the cluster, ``embedded.node.orphans.clean`` ends what a killed one left behind.
"""
