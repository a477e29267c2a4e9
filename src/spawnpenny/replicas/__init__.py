"""Replicas of the service: liveness, the write fence, and the ownership of users."""
