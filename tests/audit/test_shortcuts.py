"""Properties of recordings that predict their label."""

from dataclasses import replace
from pathlib import Path

import pytest

from earmark.audit.shortcuts import shortcut_findings
from earmark.data.recording import Recording
from earmark.data.signals.signal import SignalStats

STATS = SignalStats(
    digest="",
    duration_seconds=1.0,
    sample_rate=16_000,
    channels=1,
    codec="WAV PCM_16",
    notes=(),
    peak=0.5,
    level_db=-20.0,
    noise_floor_db=-60.0,
    bandwidth_hz=4000.0,
    reach_hz=8000.0,
    median_hz=500.0,
    leading_seconds=0.0,
    trailing_seconds=0.0,
    dc_offset=0.0,
    num_clipped=0,
    dead_channel=None,
    active_fraction=1.0,
    event_seconds=1.0,
)


def item(number, label, **stats):
    name = f"{number}.wav"
    return Recording(Path(name), name, (label,), name), replace(STATS, **{"digest": name, **stats})


@pytest.mark.parametrize("predicts", [True, False])
def test_a_sample_rate_that_predicts_the_label_is_a_warning(predicts):
    items = []
    for number in range(40):
        low = number % 2 == 0 if predicts else number % 4 < 2
        items.append(item(number, "xy"[number % 2], sample_rate=16_000 if low else 22_050))
    found = list(shortcut_findings(items))
    assert [(one.kind, one.severity) for one in found] == [("shortcut", "warning")] * predicts
    if predicts:
        assert "sample rate alone, 100%" in found[0].message


def test_a_level_that_predicts_the_label_is_a_note():
    items = [item(n, "xy"[n % 2], level_db=-20.0 if n % 2 else -40.0) for n in range(40)]
    assert [one.severity for one in shortcut_findings(items)] == ["note"]


def test_a_codec_is_a_property():
    items = [item(n, "xy"[n % 2], codec="MP3" if n % 2 else "FLAC") for n in range(40)]
    assert [one.severity for one in shortcut_findings(items)] == ["warning"]


def test_an_unknown_bandwidth_is_ignored():
    items = [item(n, "xy"[n % 2], bandwidth_hz=None if n % 2 else 4000.0) for n in range(40)]
    assert list(shortcut_findings(items)) == []


def test_recordings_with_a_known_bandwidth_are_searched():
    items = [item(n, "xy"[n % 2], level_db=-20.0 if n % 2 else -40.0) for n in range(40)]
    items += [item(n, "xy"[n % 2], bandwidth_hz=None) for n in range(40, 60)]
    assert [one.severity for one in shortcut_findings(items)] == ["note"]


def test_a_rare_label_does_not_hide_a_shortcut():
    items = [
        item(number, "z" if number >= 40 else "xy"[number % 2], sample_rate=rate)
        for number, rate in enumerate([16_000, 22_050] * 20 + [22_050] * 3)
    ]
    assert [one.severity for one in shortcut_findings(items)] == ["warning"]
    assert [one.severity for one in shortcut_findings(items[38:])] == ["note"]


def test_duplicates_count_once(rng):
    """A copy in another group has the label of its original, whatever predicts it."""
    labels, levels_db = rng.permutation(list("xy" * 15)), rng.uniform(-40, -20, 30)
    items = [
        item(
            number,
            str(labels[number % 30]),
            level_db=levels_db[number % 30],
            digest=str(number % 30),
        )
        for number in range(120)
    ]
    assert list(shortcut_findings(items)) == []
