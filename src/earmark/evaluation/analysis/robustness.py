"""Robustness: the accuracy of a model on degraded sound.

A clip is decoded, degraded and passed through the front end again; nothing comes from the store.
Random numbers depend only on ``evaluate.seed`` and the name of the clip, so that clips can be added
and removed.
"""

import functools
import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import threadpoolctl

from earmark.audio.downmix import Downmix
from earmark.audio.effects import AnySamples
from earmark.audio.reading import stream_audio
from earmark.config import FeatureConfig
from earmark.data.content import Clip
from earmark.data.dataset import AudioDataset, HeldFrames
from earmark.data.loaders import OrderedLoader
from earmark.data.recording import Recording
from earmark.errors import AudioError, FailedFile
from earmark.evaluation.analysis.conditions import Sound, list_conditions
from earmark.evaluation.evaluate import predict_clips
from earmark.evaluation.loaded_model import LoadedModel
from earmark.evaluation.metrics.scores import Predictions
from earmark.evaluation.metrics.subsets import SubsetScores, score_subset
from earmark.features.front_end import FrontEnd
from earmark.features.levels import peak_level_db
from earmark.features.log_mel import extract_blocks
from earmark.features.store import ClipKey, Frames
from earmark.features.vectors import make_front_end
from earmark.features.windows import WindowGrid
from earmark.models.spec import ModelSpec
from earmark.system.parallel import map_in_order

logger = logging.getLogger(__name__)

MAX_SECONDS = 60.0
MAX_VOICES = 24
VOICE_SECONDS = 10.0


@dataclass(frozen=True)
class ConditionScores(SubsetScores):
    """Metrics of the clips that a condition applies to, compared with the unchanged clips.

    Args:
        condition: Its name.
        num_lost: Clips that are predicted correctly when unchanged, but not under the condition.
        num_gained: The opposite.
    """

    condition: str
    num_lost: int
    num_gained: int


@dataclass(frozen=True)
class Robustness:
    """Metrics of each condition, the unchanged sound first."""

    conditions: tuple[ConditionScores, ...]
    skipped: tuple[FailedFile, ...]

    def to_dict(self) -> dict[str, Any]:
        """What ``evaluate --robustness --json`` prints."""
        return {
            "conditions": [one.to_dict() for one in self.conditions],
            "skipped": [one.to_dict() for one in self.skipped],
        }


def measure_robustness(
    model: LoadedModel, predictions: Predictions, recordings: Mapping[str, Recording]
) -> Robustness:
    """Predicts the test clips under every condition of `list_conditions`, in one process.

    At most the first `MAX_SECONDS` of a clip are used, under all conditions. A few clips at a time
    are decoded, so memory does not grow with their number. A clip that cannot be decoded is
    reported and skipped.

    Args:
        model: The network that was tested. Noise and excerpts are drawn with its ``evaluate.seed``.
        predictions: Of the test.
        recordings: The recording of each clip, by name.
    """
    clips, evaluate = predictions.clips, model.spec.config.evaluate
    front_end = make_front_end(model.spec.config.features)
    voices = _draw_voices(clips, recordings, front_end.config, evaluate.seed)
    degrade = functools.partial(_degrade, recordings, front_end, voices, evaluate.seed)
    tally = _Tally(clips, model.spec)
    skipped = []
    with (
        model.runtime.reporter.track("robustness", len(clips)) as progress,
        threadpoolctl.threadpool_limits(1, "blas"),
    ):
        for index, (clip, future) in enumerate(map_in_order(degrade, clips)):
            try:
                frames = future.result()
                tally.add(index, _predict(model.in_one_process, clip, frames), frames)
            except AudioError as error:
                skipped.append(FailedFile(clip.name, str(error)))
                logger.warning(f"robustness: skipped: {error}")
            progress.advance(note=clip.name)
    return Robustness(tuple(tally.scores(evaluate.confidence)), tuple(skipped))


def _degrade(
    recordings: Mapping[str, Recording],
    front_end: FrontEnd,
    voices: Sequence[tuple[str, AnySamples]],
    seed: int,
    clip: Clip,
) -> dict[str, Frames]:
    """Frames of a clip under each condition that applies to it."""
    sample_rate = front_end.config.sample_rate
    recording = recordings[clip.name]
    samples = _load_start(recording, front_end.config, MAX_SECONDS)
    others = [voice for group, voice in voices if group != clip.group_or_name]
    digest = hashlib.sha256(clip.name.encode(errors="surrogateescape")).digest()
    sound = Sound(samples, sample_rate, (seed, int.from_bytes(digest[:8])), others)
    changed = ((one.name, one.change(sound)) for one in list_conditions())
    return {
        name: extract_blocks([one], front_end).frames for name, one in changed if one is not None
    }


def _load_start(recording: Recording, config: FeatureConfig, seconds: float) -> AnySamples:
    """The first seconds of a recording."""
    num_samples = round(seconds * config.sample_rate)
    blocks: list[AnySamples] = []
    downmix = Downmix(config.channel)
    for block in stream_audio(
        recording.path, config.sample_rate, recording.excerpt, downmix=downmix
    ):
        blocks.append(block)
        if sum(map(len, blocks)) >= num_samples:
            break
    return np.concatenate(blocks)[:num_samples]


def _draw_voices(
    clips: Sequence[Clip], recordings: Mapping[str, Recording], config: FeatureConfig, seed: int
) -> list[tuple[str, AnySamples]]:
    """Clips to make babble of, one per group, with their groups."""
    by_group = {clip.group_or_name: clip for clip in clips}
    groups = np.random.default_rng(seed).permutation(sorted(by_group))[:MAX_VOICES]
    voices = []
    for group in groups.tolist():
        with suppress(AudioError):
            recording = recordings[by_group[group].name]
            voices.append((group, _load_start(recording, config, VOICE_SECONDS)))
    return voices


def _predict(model: LoadedModel, clip: Clip, frames: Mapping[str, Frames]) -> Predictions:
    """Predictions of a clip, one row per condition, under its name."""
    spec = model.spec
    versions = [replace(clip, name=name, key=ClipKey(name)) for name in frames]
    windows = AudioDataset(
        HeldFrames(spec.config.features, {ClipKey(name): one for name, one in frames.items()}),
        versions,
        WindowGrid(spec.window_frames, spec.config.predict.overlap),
        num_labels=len(spec.labels),
    )
    loader = OrderedLoader(windows, model.runtime)
    return predict_clips(model.network, loader, model.runtime, spec, model.novelty)


class _Tally:
    """Hits and losses by condition and clip."""

    def __init__(self, clips: Sequence[Clip], spec: ModelSpec) -> None:
        self._clips = clips
        self._spec = spec
        self._names = [one.name for one in list_conditions()]
        shape = len(self._names), len(clips)
        self._correct = np.zeros(shape, bool)
        self._losses = np.full(shape, np.nan)

    def add(self, index: int, predictions: Predictions, frames: Mapping[str, Frames]) -> None:
        """Adds the predictions of one clip under each condition that applies to it."""
        rule, targets = self._spec.rule, predictions.targets
        features, logits = self._spec.config.features, predictions.logits
        levels_db = np.array(
            [peak_level_db(frames[one.name], features) for one in predictions.clips]
        )
        rows = [self._names.index(one.name) for one in predictions.clips]
        decisions = rule.decide(logits, levels_db, predictions.novelty)
        self._correct[rows, index] = decisions.correct(targets)
        self._losses[rows, index] = predictions.task.losses(rule.calibrate(logits), targets)

    def scores(self, confidence: float) -> Iterator[ConditionScores]:
        """Metrics of each condition that applies to any clip."""
        for name, correct, losses in zip(self._names, self._correct, self._losses, strict=True):
            predicted = np.flatnonzero(~np.isnan(losses)).tolist()
            if predicted:
                groups = [self._clips[index].group_or_name for index in predicted]
                after, before = correct[predicted], self._correct[0, predicted]
                subset = score_subset(after, losses[predicted], groups, confidence=confidence)
                num_lost, num_gained = int((before & ~after).sum()), int((~before & after).sum())
                yield ConditionScores(name, num_lost, num_gained, **vars(subset))
