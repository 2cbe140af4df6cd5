"""Settings that nobody gave, chosen from the data: rules, with a reason for each choice."""
