"""The rules by which the API server refuses an object as not valid, one module for each subject."""
