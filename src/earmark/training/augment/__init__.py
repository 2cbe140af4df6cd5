"""Augmentation: what chance does to the windows of training, a whole batch at a time.

Everything is drawn first and then applied. What is drawn depends on the generator alone, not on the
values of the windows nor on the device, so that the same seed gives the same windows. Values are
log-mel band energies in decibels.
"""
