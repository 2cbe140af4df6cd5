"""A trained model applied to new sound; no PyTorch unless the model needs it."""
