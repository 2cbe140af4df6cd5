"""Functions that write recordings and audit them."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from earmark.audit.audit import check
from earmark.data.manifest import Manifest
from earmark.data.recording import Recording


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
def recording():
    """A function that makes a recording of a file, in a group of its own by default."""

    def make(path, label="x", split=None, group=None, **others):
        return Recording(path, path.name, (label,), group or path.name, split=split, **others)

    return make


@pytest.fixture(scope="session")
def data():
    """A function that makes a manifest of recordings."""

    def make(recordings):
        labels = tuple(sorted({label for one in recordings for label in one.labels}))
        return Manifest(recordings[0].path.parent, tuple(recordings), labels)

    return make


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
def noise(rng):
    """A second of noise at 16 kHz, a column per channel."""

    def make(channels=1):
        return 0.1 * rng.standard_normal((16_000, channels)).clip(-3, 3)

    return make


@pytest.fixture
def twins(tmp_path, rng, write):
    """A FLAC and a WAV of one sound."""
    samples = 0.1 * rng.standard_normal(16_000)
    return [write(tmp_path / name, samples) for name in ("one.flac", "two.wav")]
