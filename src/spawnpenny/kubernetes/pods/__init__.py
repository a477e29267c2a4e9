"""Pods: their status, their events, and waiting until one is ready."""
