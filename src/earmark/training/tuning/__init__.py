"""Hyper-parameter search: trials of settings, compared by their validation score."""
