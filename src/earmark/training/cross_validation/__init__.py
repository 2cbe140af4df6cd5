"""Every fold tested by a run that was trained without it."""
