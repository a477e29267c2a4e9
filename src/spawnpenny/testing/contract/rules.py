"""The rules of the contract: a name for each, and a sentence that says what is right."""

from __future__ import annotations

from typing import Final

RULES: Final = {
    "loads": "The plugin has to load with these settings and to have this step for this kind.",
    "apply-succeeds": "On a working cluster, apply has to create the step's objects without an error.",
    "apply-twice": "A second apply has to succeed and to leave the same objects, as it is called again after a crash.",
    "restart": (
        "Another process has to continue from names and the cluster alone: it has a new Step object, an empty stash, "
        "and no uids of created objects."
    ),
    "memory": "A step keeps nothing in memory: not in its attributes, its class or its module.",
    "revert-succeeds": "On a working cluster, revert has to end without an error.",
    "revert-complete": "After a revert, nothing that apply created for this spawn may exist.",
    "revert-twice": "A second revert has to find nothing to do, and to end without an error.",
    "revert-error": "If a call of revert fails, revert has to raise the error or to delete the rest anyway.",
    "others-unharmed": "Objects of other spawns, of other users and of nobody have to stay as they are.",
    "successor-unharmed": "A late revert has to leave the objects of a new spawn with the same names.",
    "foreign-name": "If somebody else's object has the name, apply has to raise an error and to leave it alone.",
    "error-raised": "If a call of apply fails, apply has to raise the error, unless it completes its objects anyway.",
    "error-reportable": "The error has to be one that a user can read: a SpawnError, or the cluster's own error.",
    "repair": "A second apply after the failure has to complete what the first one left.",
    "cancellation": "When it is cancelled, it has to end with the cancellation, and soon.",
    "ends": "It has to end, or to wait for the cluster by spawn.cluster.wait, which reports why.",
    "declared": "Add the verb to the step's permissions, or leave the call out.",
    "used": "Remove the verb from the step's permissions: the service gets each right that a step declares.",
    "bypass": "All calls have to go through the methods of spawn.cluster, which know the step's permissions.",
    "pure": "The same spawn has to give the same result each time. Only secrets may have other values.",
    "inputs": "It may not change what it gets: not the spawn's options, its environment or its secrets.",
    "no-cluster": "A pure method has no cluster, and makes no call.",
    "secret-exposed": "A value of spawn.env is secret: put it into a Secret, and nowhere else.",
    "fingerprint": "The fingerprint of a user step has to change if, and only if, its manifests do.",
    "shared": "All spawns of a user share the objects of a user step: one name has one content.",
    "supervise-succeeds": "On a working cluster, supervise has to look after the spawn until it is cancelled.",
    "supervise-existing": "supervise has to work from the existing objects: a restart creates no further ones.",
    "purge": "purge deletes the storage of this lab alone, and succeeds if there is none.",
    "retire": "retire deletes what belongs to this user alone, and succeeds if it is gone.",
}
"""The rules by name. A test allows a broken one by this name, or by this name, a colon and the finding's subject."""

KIND_RULES: Final = {
    "kind-loads": "A loaded plugin has to declare the kind, and to have a step of the scope spawn that names it.",
    "kind-starts": "On a working cluster, a start has to bring the spawn to the phase running, without an error.",
    "kind-main-pod": "A step has to publish the uid of the main pod, by which the service sees how the spawn ends.",
    "kind-counts": "What the steps return from resources has to cover the limits of the pods that they create.",
    "kind-scales": "The number of further pods, with the label PART, has to follow the scale, up and down.",
    "kind-restarts": "After a restart of the service, a running spawn has to go on, with the same pods and objects.",
    "kind-stops": "After a stop, also one after a restart, nothing of the spawn may exist.",
    "kind-ends": "When the main pod ends, the spawn has to end with the right phase, and nothing of it may be left.",
    "kind-again": "After its end, a spawn of the same name has to start.",
    "kind-others": "The other spawns of the user have to stay as they are.",
    "kind-retires": "A user without spawns has to be retired, and the namespace released.",
    "kind-unloaded": "Without its plugin, the record of a spawn has to stay, and a stop has to delete its pods.",
}
"""The rules of a kind, with the names by which a test allows a broken one."""
