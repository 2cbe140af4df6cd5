"""How a model holds up when the sound of the test clips is worse than it was.

A clip is decoded, changed, and goes through the front end again: nothing of it comes from the
store. Chance depends on the seed and the name of the clip alone, so that clips may come and go.
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

from earmark.audio.effects import AnySamples
from earmark.audio.reading import stream_audio
from earmark.data.content import Clip
from earmark.data.dataset import AudioDataset, HeldFrames
from earmark.data.loaders import OrderedLoader
from earmark.data.recording import Recording
from earmark.errors import AudioError, FailedFile
from earmark.evaluation.analysis.conditions import Sound, list_conditions
from earmark.evaluation.evaluate import predict_clips
from earmark.evaluation.metrics.scores import PartScores, Predictions, score_part
from earmark.features.levels import peak_level_db
from earmark.features.log_mel import LogMel, extract_blocks
from earmark.features.store import ClipKey, Frames
from earmark.features.windows import WindowGrid
from earmark.models.checkpoint import Checkpoint, ModelSpec
from earmark.system.parallel import map_in_order
from earmark.system.runtime import Runtime, place

logger = logging.getLogger(__name__)

LONGEST_SECONDS = 60.0
MAX_VOICES = 24
VOICE_SECONDS = 10.0


@dataclass(frozen=True)
class ConditionScores(PartScores):
    """Figures of the clips that a condition applies to, beside those of the same clips as they are.

    Args:
        condition: Its name.
        num_lost: Clips that are judged rightly as they are, and wrongly so.
        num_gained: The other way round.
    """

    condition: str
    num_lost: int
    num_gained: int


@dataclass(frozen=True)
class Robustness:
    """Figures of each condition; the first is the sound as it is."""

    conditions: tuple[ConditionScores, ...]
    skipped: tuple[FailedFile, ...]

    def to_dict(self) -> dict[str, Any]:
        """What ``evaluate --robustness --json`` prints."""
        return {
            "conditions": [one.to_dict() for one in self.conditions],
            "skipped": [one.to_dict() for one in self.skipped],
        }


def measure_robustness(
    checkpoint: Checkpoint,
    predictions: Predictions,
    recordings: Mapping[str, Recording],
    runtime: Runtime,
    *,
    seed: int = 0,
) -> Robustness:
    """Judges the test clips again under every condition of `list_conditions`.

    Of a clip at most the first `LONGEST_SECONDS` are used, under all conditions alike. A few clips
    at a time are decoded, so memory does not grow with their number. A clip that cannot be decoded
    is named and the others go on.

    Args:
        checkpoint: The model.
        predictions: Of the test; its clips are judged again.
        recordings: The recording of each clip, by name.
        runtime: Where to compute; this process does it alone.
        seed: Of noise and excerpts.
    """
    judge = _Predictor(checkpoint, replace(runtime, rank=0, world_size=1))
    voices = _draw_voices(predictions.clips, recordings, judge.log_mel.config.sample_rate, seed)
    listen = functools.partial(_listen, recordings, judge.log_mel, voices, seed)
    clips = predictions.clips
    tally = _Tally(clips, checkpoint.spec)
    skipped = []
    with (
        runtime.reporter.track("robustness", len(clips)) as task,
        threadpoolctl.threadpool_limits(1, "blas"),
    ):
        for index, (clip, future) in enumerate(map_in_order(listen, clips)):
            try:
                frames = future.result()
                tally.add(index, judge(clip, frames), frames)
            except AudioError as error:
                skipped.append(FailedFile(clip.name, str(error)))
                logger.warning(f"robustness: skipped: {error}")
            task.advance(note=clip.name)
    confidence = checkpoint.spec.config.evaluate.confidence
    return Robustness(tuple(tally.scores(confidence)), tuple(skipped))


def _listen(
    recordings: Mapping[str, Recording],
    log_mel: LogMel,
    voices: Sequence[tuple[str, AnySamples]],
    seed: int,
    clip: Clip,
) -> dict[str, Frames]:
    """Frames of a clip under each condition that applies to it."""
    sample_rate = log_mel.config.sample_rate
    recording = recordings[clip.name]
    samples = _load_start(recording, sample_rate, LONGEST_SECONDS)
    others = [voice for group, voice in voices if group != clip.group_or_name]
    digest = hashlib.sha256(clip.name.encode(errors="surrogateescape")).digest()
    sound = Sound(samples, sample_rate, (seed, int.from_bytes(digest[:8])), others)
    changed = ((one.name, one.change(sound)) for one in list_conditions())
    return {name: extract_blocks([one], log_mel).frames for name, one in changed if one is not None}


def _load_start(recording: Recording, sample_rate: int, seconds: float) -> AnySamples:
    """The first seconds of a recording, whatever its length."""
    most = round(seconds * sample_rate)
    blocks: list[AnySamples] = []
    for block in stream_audio(recording.path, sample_rate, recording.excerpt):
        blocks.append(block)
        if sum(map(len, blocks)) >= most:
            break
    return np.concatenate(blocks)[:most]


def _draw_voices(
    clips: Sequence[Clip], recordings: Mapping[str, Recording], sample_rate: int, seed: int
) -> list[tuple[str, AnySamples]]:
    """A few clips to babble, one a group, each with its group."""
    by_group = {clip.group_or_name: clip for clip in clips}
    groups = np.random.default_rng(seed).permutation(sorted(by_group))[:MAX_VOICES]
    voices = []
    for group in groups.tolist():
        with suppress(AudioError):
            recording = recordings[by_group[group].name]
            voices.append((group, _load_start(recording, sample_rate, VOICE_SECONDS)))
    return voices


class _Predictor:
    """Judges the frames of a clip under all conditions at once, as the test does."""

    def __init__(self, checkpoint: Checkpoint, runtime: Runtime) -> None:
        self.spec = checkpoint.spec
        self.log_mel = LogMel(self.spec.config.features)
        self._model = place(checkpoint.build(), runtime.device)
        self._runtime = runtime

    def __call__(self, clip: Clip, frames: Mapping[str, Frames]) -> Predictions:
        """A row a condition, under its name."""
        spec = self.spec
        versions = [replace(clip, name=name, key=ClipKey(name)) for name in frames]
        windows = AudioDataset(
            HeldFrames(spec.config.features, {ClipKey(name): one for name, one in frames.items()}),
            versions,
            WindowGrid(spec.window_frames, spec.config.predict.overlap),
            num_labels=len(spec.labels),
        )
        loader = OrderedLoader(windows, self._runtime)
        return predict_clips(self._model, loader, self._runtime, spec)


class _Tally:
    """Hits and losses by condition and clip."""

    def __init__(self, clips: Sequence[Clip], spec: ModelSpec) -> None:
        self._clips = clips
        self._card = spec
        self._names = [one.name for one in list_conditions()]
        shape = len(self._names), len(clips)
        self._hits = np.zeros(shape, bool)
        self._losses = np.full(shape, np.nan)

    def add(self, index: int, found: Predictions, frames: Mapping[str, Frames]) -> None:
        """Notes what one clip gave under each condition that applied to it."""
        rule, targets = self._card.rule, found.targets
        features = self._card.config.features
        levels_db = np.array([peak_level_db(frames[one.name], features) for one in found.clips])
        rows = [self._names.index(one.name) for one in found.clips]
        self._hits[rows, index] = rule.decide(found.logits, levels_db).are_right(targets)
        self._losses[rows, index] = found.task.losses(rule.calibrate(found.logits), targets)

    def scores(self, confidence: float) -> Iterator[ConditionScores]:
        """Figures of each condition that applied to any clip."""
        for name, hits, losses in zip(self._names, self._hits, self._losses, strict=True):
            judged = np.flatnonzero(~np.isnan(losses)).tolist()
            if judged:
                groups = [self._clips[index].group_or_name for index in judged]
                right, before = hits[judged], self._hits[0, judged]
                part = score_part(right, losses[judged], groups, confidence=confidence)
                num_lost, num_gained = int((before & ~right).sum()), int((~before & right).sum())
                yield ConditionScores(name, num_lost, num_gained, **vars(part))
