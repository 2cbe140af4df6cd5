"""The rules: from the fingerprint of a data set to settings, each with its reason.

A rule calls `Draft.choose`, which leaves alone what is given, and continues with the value in
force. Rules must not choose what decides which recordings are for training, validation and test.
``benchmarks/rule_trials.py`` compares settings on folds.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from earmark.config import ConvBlockConfig, FeatureConfig
from earmark.config.features import USUAL_RATES, fitting_rate
from earmark.tasks.task import MULTI_LABEL, TASKS
from earmark.training.recipes.draft import Draft
from earmark.training.recipes.network import Windows, choose_blocks, num_multiply_adds

if TYPE_CHECKING:
    from earmark.data.fingerprint import DataFingerprint

MIN_RATE_FRACTION = 0.95
"""Fraction of the recordings that must have a sample rate for it to be used."""
BAND_MARGIN = 1.05
"""The band is kept up to this many times the highest frequency with sound."""
BANDS_OF_RATE = {8_000: 40, 16_000: 64, 22_050: 96}
"""Highest sample rate to the number of mel bands; `MAX_BANDS` above the last."""
MAX_BANDS = 128
MIN_BINS_PER_BAND = 4
"""Fewer bins of the Fourier transform a mel band leave the lowest bands empty."""
WINDOW_SECONDS, SHORT_WINDOW_SECONDS = 0.064, 0.032
"""Longer windows resolve the harmonics of a voice, whose pitch is the speaker's, not the word's."""
HOP_SECONDS, SHORT_HOP_SECONDS = 0.02, 0.01
SHORT_SECONDS = 1.5
"""Clips up to this long are single events, such as words, which fill a window."""
MIN_CROP_SECONDS, MAX_CROP_SECONDS = 1.0, 5.0
LONG_SECONDS = 10.0
"""Recordings from this long on have one kind of sound throughout, of which seconds are enough."""
MAX_CROPS = 4
TARGET_WINDOWS = 32_000
"""Windows that a training on few clips sees in all its epochs."""
EPOCHS = (40, 100)
MIN_EPOCHS = 5
"""Fewest epochs that a budget leaves."""
MINUTES = 6.0
"""The budget of a laptop."""
MULTIPLY_ADDS_PER_MINUTE = 60 * 50e9
"""Of training on two cores of a processor of today."""
PASSES = 3
"""The backward pass costs twice the forward pass."""
MAX_REFIT_CLIPS = 5000
"""More clips than this leave enough to train on without those of the validation split."""
TRAINING_FRACTION = 0.75
"""Of the clips without the test, about as many train while the others validate."""

SHORT_AUGMENT = {"time_stretch": 0.25, "noise": 0.5, "time_masks": 1}
VOICE_AUGMENT = {"frequency_warp": 0.1, "filter_db": 6.0}
NO_AUGMENT = {"time_stretch": 0.0, "noise": 0.0, "time_masks": 0}


def choose(fingerprint: "DataFingerprint", draft: Draft) -> float | None:
    """Chooses settings for a data set.

    Args:
        fingerprint: Of its training and validation recordings.
        draft: What is given; receives the choices.

    Returns:
        About how many minutes the training takes, at most; None if the network is not one of the
        blocks that the rules know the cost of.
    """
    _front_end(fingerprint, draft)
    _crops(fingerprint, draft)
    blocks = _network(fingerprint, draft)
    _augmentation(fingerprint, draft)
    return _training(fingerprint, draft, blocks)


def _is_short(data: "DataFingerprint") -> bool:
    return 0 < data.duration_seconds.median <= SHORT_SECONDS


def _front_end(data: "DataFingerprint", draft: Draft) -> None:
    rate = _sample_rate(data, draft)
    n_fft = _lengths(data, rate, draft)
    bands = next((bands for limit, bands in BANDS_OF_RATE.items() if rate <= limit), MAX_BANDS)
    bands = min(bands, max(1, n_fft // 2 // MIN_BINS_PER_BAND))
    draft.choose("features.n_mels", bands, f"For a band up to {rate / 2000:g} kHz.")


def _sample_rate(data: "DataFingerprint", draft: Draft) -> int:
    """What nearly all recordings have, but no more than their sound needs."""
    kept = [rate for rate in USUAL_RATES if _fraction_with(data, rate) >= MIN_RATE_FRACTION]
    highest = max(kept, default=min(data.sample_rates, default=USUAL_RATES[0]))
    reason = f"{_fraction_with(data, highest):.0%} of the recordings have it."
    top = BAND_MARGIN * data.reach_hz.high
    enough = next((rate for rate in USUAL_RATES if 2 * top <= rate), USUAL_RATES[-1])
    if top and enough < highest:
        highest, reason = enough, f"Sound reaches {data.reach_hz.high:.0f} Hz."
    f_min, f_max = draft.value("features.f_min"), draft.value("features.f_max")
    fitting = fitting_rate(highest, f_min, f_max)
    if fitting > highest:
        edge = f"f_min = {f_min:g}" if f_max is None else f"f_max = {f_max:g}"
        highest, reason = fitting, f"For features.{edge} Hz."
    return draft.choose("features.sample_rate", highest, reason)


def _fraction_with(data: "DataFingerprint", rate: int) -> float:
    """Fraction of the clips whose file has at least a sample rate."""
    count = sum(number for one, number in data.sample_rates.items() if one >= rate)
    return count / max(1, sum(data.sample_rates.values()))


def _lengths(data: "DataFingerprint", rate: int, draft: Draft) -> int:
    """Window and step of the Fourier transform, which last about as long at every rate."""
    is_short = _is_short(data)
    length = _power_of_two(SHORT_WINDOW_SECONDS if is_short else WINDOW_SECONDS, rate)
    shortest = _power_of_two(WINDOW_SECONDS, rate) if is_short else 2
    if draft.is_given("features.hop_length"):
        length = max(length, draft.value("features.hop_length"))
    if draft.is_given("features.n_fft"):
        length = min(length, draft.value("features.n_fft"))
    why = ", short for voices of any pitch" if is_short else ""
    reason = f"A window lasts {1000 * length / rate:.0f} ms{why}."
    length = draft.choose("features.win_length", length, reason)
    n_fft = max(shortest, 1 << (length - 1).bit_length())
    if shortest > length:
        reason = f"Bins {rate / n_fft:.0f} Hz apart leave no low band empty."
    n_fft = draft.choose("features.n_fft", n_fft, reason)
    seconds = SHORT_HOP_SECONDS if is_short else HOP_SECONDS
    hop = min(round(seconds * rate), length)
    why = "finer for short clips" if is_short else "finer ones did not help longer clips"
    draft.choose("features.hop_length", hop, f"A step lasts {1000 * hop / rate:.0f} ms, {why}.")
    return n_fft


def _power_of_two(seconds: float, rate: int) -> int:
    """The greatest power of two of samples that is no longer."""
    return 1 << (int(seconds * rate).bit_length() - 1)


def _crops(data: "DataFingerprint", draft: Draft) -> None:
    median = data.duration_seconds.median
    if not median:
        return
    if median >= LONG_SECONDS:
        seconds, reason = MIN_CROP_SECONDS, "Seconds of a long recording are enough to know it."
    else:
        seconds = round(min(max(median, MIN_CROP_SECONDS), MAX_CROP_SECONDS), 3)
        reason = f"Half of the recordings last {median:.2f} s or less."
    draft.choose("train.crop_seconds", seconds, reason)
    crops = 1 if median < 2 * seconds else MAX_CROPS
    reason = "A recording has several windows." if crops > 1 else "A window is most of a recording."
    draft.choose("train.max_crops", crops, reason)


def _network(data: "DataFingerprint", draft: Draft) -> list[ConvBlockConfig]:
    """The blocks in force, of which the cost of training depends."""
    if draft.value("model.name") != "audio_cnn":
        return []
    windows, limit = _windows(data, draft), draft.recipe.parameters
    blocks = choose_blocks(windows, limit)
    size = f"of at most {limit:,} parameters" if limit else "wide enough for ten kinds of sound"
    reason = f"Blocks for windows of {windows.n_mels} x {windows.num_frames} values, {size}."
    table = [one.model_dump(mode="json", exclude_none=True) for one in blocks]
    in_force = draft.choose("model.blocks", table, reason)
    if _is_short(data):
        draft.choose("model.head", "pool", "A sound fills its window.")
    else:
        draft.choose("model.head", "mean_max", "Sounds may be short compared with a window.")
    return [ConvBlockConfig.model_validate_json(json.dumps(one)) for one in in_force]


def _windows(data: "DataFingerprint", draft: Draft) -> Windows:
    features = FeatureConfig(
        sample_rate=draft.value("features.sample_rate"),
        hop_length=draft.value("features.hop_length"),
    )
    frames = features.num_frames(round(draft.value("train.crop_seconds") * features.sample_rate))
    outputs = TASKS[data.task].num_outputs(len(data.labels))
    return Windows(draft.value("features.n_mels"), frames, outputs)


def _augmentation(data: "DataFingerprint", draft: Draft) -> None:
    def choose_all(settings: Mapping[str, float | int], reason: str) -> None:
        for key, value in settings.items():
            draft.choose(f"augment.{key}", value, reason)

    choose_all({"frequency_masks": 1}, "A mask costs nothing and helps small data.")
    if data.task == MULTI_LABEL.name:
        choose_all({"mixup": 0.0}, "Mixed windows would blur which sounds are there at once.")
    else:
        choose_all({"mixup": 1.0}, "Mixing windows and their labels helps small data.")
    choose_all({"gain_db": 10.0}, "Recordings differ in level.")
    if _is_short(data):
        choose_all(SHORT_AUGMENT, "Takes of a short sound differ in speed and noise.")
        choose_all(VOICE_AUGMENT, "Voices and microphones differ.")
    else:
        choose_all({"roll": 1.0}, "When a sound happens does not matter.")
        choose_all(NO_AUGMENT, "Speed and noise tell longer sounds apart.")


def _training(data: "DataFingerprint", draft: Draft, blocks: list[ConvBlockConfig]) -> float | None:
    """About how many minutes it takes, if the cost of the network is known."""
    draft.choose("train.precision", "auto", "bfloat16 where the processor has it.")
    refits = data.num_clips <= MAX_REFIT_CLIPS and draft.value("train.hold_out_validation")
    if refits:
        reason = f"With {data.num_clips} clips, those of validation are worth a second training."
        refits = draft.choose("train.refit", True, reason)
    crops = min(draft.value("train.max_crops"), max(1, _clips_length(data, draft)))
    num_windows = max(1, data.num_clips * crops)
    fewest, most = EPOCHS
    epochs = min(max(round(TARGET_WINDOWS / num_windows), fewest), most)
    reason = f"{num_windows:,} windows in each."
    trained = num_windows * (TRAINING_FRACTION + bool(refits))
    minutes = draft.recipe.minutes or MINUTES
    cost = PASSES * num_multiply_adds(blocks, _windows(data, draft)) if blocks else 0
    epoch_minutes = cost * trained / MULTIPLY_ADDS_PER_MINUTE
    affordable = int(minutes / epoch_minutes) if cost else epochs
    if affordable < epochs:
        wanted, epochs = epochs, max(affordable, MIN_EPOCHS)
        expected, more = epochs * epoch_minutes, wanted * epoch_minutes
        reason = f"About {expected:.2g} minutes; {wanted} would take {more:.2g}."
    epochs = draft.choose("train.epochs", epochs, reason)
    return epochs * epoch_minutes or None


def _clips_length(data: "DataFingerprint", draft: Draft) -> int:
    """Windows in a clip of the median length."""
    return round(data.duration_seconds.median / draft.value("train.crop_seconds"))
