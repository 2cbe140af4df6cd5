"""Functions that write recordings and audit them."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from earmark.audit.audit import check


@pytest.fixture(scope="session")
def write():
    """A function that writes 16-bit samples at 16 kHz."""

    def write(path, samples):
        path.parent.mkdir(parents=True, exist_ok=True)
        # FLAC and WAV round floating point to 16 bits in different ways.
        soundfile.write(path, np.round(samples * 32_767).astype(np.int16), 16_000)
        return path

    return write


@pytest.fixture(scope="session")
def audit(data):
    """A function that audits recordings; findings about their labels are left out."""

    def audit(*recordings):
        found = check(data(recordings))
        about_labels = {"missing_label", "few_groups"}
        kept = [one for one in found.findings if one.kind not in about_labels]
        return replace(found, findings=tuple(kept))

    return audit


@pytest.fixture
def twins(tmp_path, rng, write):
    """A FLAC and a WAV of one sound."""
    samples = 0.1 * rng.standard_normal(16_000)
    return [write(tmp_path / name, samples) for name in ("one.flac", "two.wav")]
