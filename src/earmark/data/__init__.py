"""Folders and manifests to recordings, splits and folds; recordings to batches of windows."""
