"""Fingerprints do not depend on how they are made or kept."""

import numpy as np

from earmark.features.fingerprints import Fingerprint, fingerprint


def test_a_fingerprint_is_read_as_it_was_written(sound):
    kept = fingerprint([sound(9)])
    read = Fingerprint.from_bytes(kept.to_bytes())
    for name in ("hashes", "frames", "weak", "signs", "active"):
        assert np.array_equal(getattr(kept, name), getattr(read, name))


def test_the_size_of_blocks_does_not_matter(sound):
    original = sound(10, seconds=70.0)
    whole = fingerprint([original])
    assert fingerprint(np.array_split(original, 37)).to_bytes() == whole.to_bytes()
