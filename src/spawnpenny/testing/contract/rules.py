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
