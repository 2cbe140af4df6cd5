"""Search among a few candidates for the settings, and distillation of the best into one network."""
