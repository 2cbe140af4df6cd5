"""Slices, examples, attribution and robustness of a test."""
