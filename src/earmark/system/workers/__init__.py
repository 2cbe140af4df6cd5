"""Processes that may die: each works on an item, and only that item fails."""
