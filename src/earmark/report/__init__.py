"""The test report: one HTML page that opens from disk, and a model card of the same facts."""
