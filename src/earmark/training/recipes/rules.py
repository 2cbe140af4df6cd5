"""The rules: from the fingerprint of a data set to settings, each with its reason.

A rule calls `Draft.choose`, which leaves alone what is given, and continues with the value in
force. Rules must not choose what decides which recordings are for training, validation and test.
"""

from typing import TYPE_CHECKING

from earmark.training.recipes.draft import Draft

if TYPE_CHECKING:
    from earmark.data.fingerprint import DataFingerprint

SAMPLE_RATES = (8_000, 16_000, 22_050, 32_000, 44_100, 48_000)
MIN_RATE_FRACTION = 0.95
"""Fraction of the recordings that must have a sample rate for it to be used."""
BAND_MARGIN = 1.05
"""The band is kept up to this many times the highest frequency with sound."""
BANDS_OF_RATE = {8_000: 40, 16_000: 64, 32_000: 96}
"""Highest sample rate to the number of mel bands; `MAX_BANDS` above the last."""
MAX_BANDS = 128
MIN_BINS_PER_BAND = 4
"""Fewer bins of the Fourier transform a mel band leave the lowest bands empty."""
WINDOW_SECONDS = 0.064
HOP_SECONDS = 0.02
MAX_CROP_SECONDS = 5.0


def choose(fingerprint: "DataFingerprint", draft: Draft) -> None:
    """Chooses settings for a data set.

    Args:
        fingerprint: Of its training and validation recordings.
        draft: What is given; receives the choices.
    """
    _front_end(fingerprint, draft)
    _windows(fingerprint, draft)


def _front_end(data: "DataFingerprint", draft: Draft) -> None:
    rate = _sample_rate(data, draft)
    n_fft = _lengths(rate, draft)
    bands = next((bands for limit, bands in BANDS_OF_RATE.items() if rate <= limit), MAX_BANDS)
    bands = min(bands, max(1, n_fft // 2 // MIN_BINS_PER_BAND))
    draft.choose("features.n_mels", bands, f"For a band up to {rate / 2000:g} kHz.")


def _sample_rate(data: "DataFingerprint", draft: Draft) -> int:
    """What nearly all recordings have, but no more than their sound needs."""
    kept = [rate for rate in SAMPLE_RATES if _fraction_with(data, rate) >= MIN_RATE_FRACTION]
    highest = max(kept, default=min(data.sample_rates, default=SAMPLE_RATES[0]))
    reason = f"{_fraction_with(data, highest):.0%} of the recordings have it."
    top = BAND_MARGIN * data.reach_hz.high
    enough = next((rate for rate in SAMPLE_RATES if 2 * top <= rate), SAMPLE_RATES[-1])
    if top and enough < highest:
        highest, reason = enough, f"Sound reaches {data.reach_hz.high:.0f} Hz."
    f_max = draft.value("features.f_max")
    if f_max is not None and 2 * f_max > highest:
        highest = next((rate for rate in SAMPLE_RATES if rate >= 2 * f_max), highest)
        reason = f"For features.f_max = {f_max:g} Hz."
    return draft.choose("features.sample_rate", highest, reason)


def _fraction_with(data: "DataFingerprint", rate: int) -> float:
    """Fraction of the clips whose file has at least a sample rate."""
    count = sum(number for one, number in data.sample_rates.items() if one >= rate)
    return count / max(1, sum(data.sample_rates.values()))


def _lengths(rate: int, draft: Draft) -> int:
    """Window and step of the Fourier transform, which last about as long at every rate."""
    length = 1 << (int(WINDOW_SECONDS * rate).bit_length() - 1)
    if draft.is_given("features.hop_length"):
        length = max(length, draft.value("features.hop_length"))
    if draft.is_given("features.n_fft"):
        length = min(length, draft.value("features.n_fft"))
    reason = f"A window lasts {1000 * length / rate:.0f} ms."
    length = draft.choose("features.win_length", length, reason)
    n_fft = draft.choose("features.n_fft", max(2, 1 << (length - 1).bit_length()), reason)
    hop = min(round(HOP_SECONDS * rate), length)
    draft.choose("features.hop_length", hop, f"A step lasts {1000 * hop / rate:.0f} ms.")
    return n_fft


def _windows(data: "DataFingerprint", draft: Draft) -> None:
    median = data.duration_seconds.median
    if median > 0:
        seconds = round(min(median, MAX_CROP_SECONDS), 3)
        reason = f"Half of the recordings last {median:.2f} s or less."
        draft.choose("train.crop_seconds", seconds, reason)
