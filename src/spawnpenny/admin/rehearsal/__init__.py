"""The rehearsal: what would be made for a user, and why not, before anybody is there.

``rehearse.rehearse`` is the entry point, ``result.Rehearsal`` what it returns.
"""
