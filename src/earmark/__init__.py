"""From a folder of labelled sound to an audio classifier that people can trust and ship."""

__version__ = "0.1.0"
