"""`earmark import`: label files of other programs, and file names, to a manifest of excerpts."""
