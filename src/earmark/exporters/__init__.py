"""Exports models to files that run without PyTorch."""
