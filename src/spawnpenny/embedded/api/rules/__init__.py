"""The rules by which an API server refuses an object as not valid, by what they are about."""
