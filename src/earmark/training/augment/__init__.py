"""Augmentation: random changes of the training windows, a whole batch at a time.

Parameters are drawn first and then applied. They depend on the random generator alone, not on the
windows or the device, so the same seed gives the same windows. Values are log-mel band energies in
decibels.
"""
