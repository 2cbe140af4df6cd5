"""The test: metrics with confidence intervals, baselines, comparisons and error analysis."""
