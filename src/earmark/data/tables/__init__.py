"""Tables of recordings: their columns, rows and cells."""
