"""The HTTP service behind `earmark serve`: files and live sound of strangers to predictions."""
