"""Files, hashing, parallel work, memory, progress, devices and processes."""
