"""What is measured of recordings: once for each content, and kept in the store."""
