"""Names of labels, groups and files: their spelling, and what they tell."""
