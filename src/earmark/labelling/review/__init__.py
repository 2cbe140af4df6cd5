"""`earmark review`: clips to label, a page to listen to them, and the log of answers."""
