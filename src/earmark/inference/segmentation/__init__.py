"""Time lines: from the probabilities of windows to labelled segments."""
