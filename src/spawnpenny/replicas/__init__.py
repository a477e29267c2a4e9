"""Several services share the users: who is alive, who may write, and whose a user is."""
