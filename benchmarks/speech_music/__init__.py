"""The recipe of the model ``speech-music``: from package names to the file inside the package."""
