"""The training loop and everything that shapes it."""
