"""Scores, confidence intervals, calibration, curves and significance tests."""
