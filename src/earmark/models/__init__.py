"""What a trained model is on disk: its specification, checkpoint and folders."""
