"""The formats of label files, one per module: from text to annotations and problems."""
