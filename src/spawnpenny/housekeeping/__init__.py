"""What is done from time to time: history is forgotten, leftovers are taken away, what is idle is let go of."""
