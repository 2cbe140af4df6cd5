"""Networks: log-mel windows in, logits out, with one contract and one registry."""
