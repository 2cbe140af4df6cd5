"""The test: metrics with intervals, baselines, comparisons, and what stands behind them."""
