"""Sound decoded by FFmpeg, on the clock of its time stamps."""
