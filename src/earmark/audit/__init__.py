"""The data audit behind `earmark check`."""
