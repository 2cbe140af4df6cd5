"""The loop around labels: import, search, suggest, review."""
