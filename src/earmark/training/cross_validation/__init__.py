"""Cross-validation: each fold is tested by a network that was trained on the others."""
