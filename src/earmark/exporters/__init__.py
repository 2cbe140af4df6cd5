"""Models as files that run without PyTorch."""
