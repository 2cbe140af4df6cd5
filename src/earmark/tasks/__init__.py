"""What labels mean: from logits to probabilities to chosen labels."""
