"""Scores, intervals, calibration, curves and significance tests."""
