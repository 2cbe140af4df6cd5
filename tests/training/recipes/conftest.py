"""Fingerprints of data that need not exist."""

from dataclasses import replace

import pytest

from earmark.data.fingerprint import DataFingerprint, LabelStats, Quantiles


@pytest.fixture(scope="session")
def make_fingerprint():
    """A function that gives the fingerprint of 80 clips of 2 s at 44.1 kHz, with changes."""

    def make(**changes):
        some = Quantiles(1.0, 2.0, 3.0)
        found = DataFingerprint(
            task="binary",
            labels={name: LabelStats(40, 40, 80.0) for name in ("music", "speech")},
            num_clips=80,
            num_groups=80,
            total_seconds=160.0,
            sample_rates={44_100: 80},
            duration_seconds=some,
            num_measured=80,
            bandwidth_hz=Quantiles(5000.0, 9000.0, 20_000.0),
            reach_hz=Quantiles(9000.0, 18_000.0, 20_000.0),
            active_fraction=Quantiles(0.5, 0.9, 1.0),
            event_seconds=some,
            level_db=Quantiles(-40.0, -20.0, -10.0),
        )
        return replace(found, **changes)

    return make
