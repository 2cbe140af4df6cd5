"""Other tools that tell speech from music, each in an environment of its own, on the same files."""
