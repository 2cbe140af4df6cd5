"""The log-mel front end, windows of its frames, and the store on disk."""
