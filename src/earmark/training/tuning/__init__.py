"""The search for settings on the validation split."""
