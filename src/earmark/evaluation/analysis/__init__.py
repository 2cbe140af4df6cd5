"""Error analysis of a test: slices, examples, attribution and robustness."""
