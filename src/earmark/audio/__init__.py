"""Any file, stream or microphone to mono samples at one rate; effects on sound; encoding."""
