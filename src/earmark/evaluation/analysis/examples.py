"""Test clips to look at and to listen to: those with the largest loss, and the surest ones."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from earmark.audio.encoding import encode
from earmark.audio.reading import MIN_SECONDS, load_audio
from earmark.data.content import Clip
from earmark.data.dataset import AudioDataset
from earmark.data.loaders import OrderedLoader
from earmark.data.recording import Recording
from earmark.errors import AudioError
from earmark.evaluation.analysis.attribution import blank_windows, integrated_gradients
from earmark.evaluation.evaluate import window_logits
from earmark.evaluation.metrics.scores import Predictions
from earmark.evaluation.result import Evaluation, join_labels
from earmark.features.store import FeatureStore, Frames
from earmark.features.windows import WindowGrid, cut_window
from earmark.models.checkpoint import Checkpoint
from earmark.system.runtime import Runtime, place
from earmark.system.shapes import Float32, Float64
from earmark.tasks.decision_rule import Reason
from earmark.tasks.task import BINARY, MULTI_LABEL, multi_hot

NUM_WORST = 5
NUM_SUREST = 5
LONGEST_SECONDS = 8.0
PLAYER_BIT_RATE = 32_000


@dataclass(frozen=True)
class RankedClip:
    """What a test says of one clip.

    Args:
        index: Its place among the test clips.
        name: Its name.
        label: Its labels, joined as in a manifest.
        predicted: The labels that it was given, joined alike.
        probability: Of the surest label that it was given, or of the surest of all.
        loss: Cross-entropy of the task, in nats.
        is_right: Whether it was given its labels and no others.
        abstained: Why it was given none, where there is no decision.
    """

    index: int
    name: str
    label: str
    predicted: str
    probability: float
    loss: float
    is_right: bool
    abstained: Reason | None = None

    def to_dict(self) -> dict[str, Any]:
        """What ``evaluate --json`` prints of a clip with a large loss."""
        return {
            "path": self.name,
            "label": self.label,
            "predicted": self.predicted,
            "probability": self.probability,
            "loss": self.loss,
        }


@dataclass(frozen=True)
class Example:
    """A stretch of a clip: how it looks, how it sounds, and what in it decided.

    Args:
        judged: What the test says of the clip.
        duration_seconds: Length of the whole clip.
        start_seconds: Where the stretch starts in the clip.
        frames: Its log-mel frames.
        shares: What each of their values adds to ``score``, bands first.
        question: What the score speaks for, such as ``speech rather than music``.
        score: Mean over the windows of the stretch of the calibrated log-odds that the question is
            about.
        blank_score: The score of a window in which each band has its mean over the training data.
        sound: The stretch as an MP3 file; None when it cannot be decoded.
        error: Why it cannot.
    """

    judged: RankedClip
    duration_seconds: float
    start_seconds: float
    frames: Frames
    shares: Float64[np.ndarray, "mels frames"]
    question: str
    score: float
    blank_score: float
    sound: bytes | None
    error: str = ""


def rank_clips(evaluation: Evaluation) -> list[RankedClip]:
    """Every test clip, the one with the largest loss first."""
    predictions, labels = evaluation.predictions, evaluation.labels
    rows = zip(
        *(predictions.clips, evaluation.chosen, predictions.probabilities),
        predictions.task.losses(predictions.logits, predictions.targets),
        *(evaluation.right, evaluation.decisions.abstained),
        strict=True,
    )
    judged = [
        RankedClip(
            index=index,
            name=clip.name,
            label=join_labels(labels, clip.targets),
            predicted=join_labels(labels, chosen),
            probability=float(shares[list(chosen)].max() if chosen else shares.max()),
            loss=float(loss),
            is_right=bool(is_right),
            abstained=abstained,
        )
        for index, (clip, chosen, shares, loss, is_right, abstained) in enumerate(rows)
    ]
    return sorted(judged, key=lambda one: -one.loss)


def choose_examples(ranked: Sequence[RankedClip]) -> tuple[list[RankedClip], list[RankedClip]]:
    """The clips with the largest loss, right or wrong, and the surest right ones of each label.

    Args:
        ranked: As `rank_clips` gives them.

    Returns:
        At most `NUM_WORST` and `NUM_SUREST`, none in both.
    """
    worst = list(ranked[:NUM_WORST])
    by_label: dict[str, list[RankedClip]] = {}
    for one in reversed(ranked[NUM_WORST:]):
        if one.is_right:
            by_label.setdefault(one.label, []).append(one)
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(*by_label.values()))
    return worst, [one for one in in_turn if one is not None][:NUM_SUREST]


class ExampleMaker:
    """Makes examples of clips; a process does it alone.

    Args:
        checkpoint: The model.
        store: Where the frames are.
        recordings: The recording of each clip, by name.
        runtime: Where to compute.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        store: FeatureStore,
        recordings: Mapping[str, Recording],
        runtime: Runtime,
    ) -> None:
        self._card = checkpoint.spec
        self._store = store
        self._recordings = recordings
        self._runtime = replace(runtime, rank=0, world_size=1)
        self._model = place(checkpoint.build(), runtime.device)
        features = self._card.config.features
        self._step_seconds = features.hop_length / features.sample_rate

    def make(self, judged: RankedClip, predictions: Predictions) -> Example:
        """An example of one clip: at most `LONGEST_SECONDS` of it, or one window.

        Args:
            judged: The clip.
            predictions: Those of the test, calibrated.
        """
        clip = predictions.clips[judged.index]
        weights, question = self._ask(clip, predictions.logits[judged.index])
        frames = self._store[clip.key]
        starts = self._find_stretch(clip, len(frames), weights)
        length = self._card.window_frames
        shown = frames[starts[0] : starts[-1] + length]
        windows = np.stack([cut_window(frames, start, length) for start in starts])
        shares, score, blank_score = self._explain(windows, weights)
        first = starts[0] * self._step_seconds
        sound, error = self._listen(clip, first, (len(shown) - 1) * self._step_seconds)
        return Example(
            judged=judged,
            duration_seconds=(len(frames) - 1) * self._step_seconds,
            start_seconds=first,
            frames=shown,
            shares=_fold(shares, len(shown)),
            question=question,
            score=score,
            blank_score=blank_score,
            sound=sound,
            error=error,
        )

    def _ask(
        self, clip: Clip, logits: Float64[np.ndarray, " outputs"]
    ) -> tuple[Float64[np.ndarray, " outputs"], str]:
        """What each logit counts, and the question: why what is chosen, and not the next best?"""
        task, labels = self._card.task, self._card.labels
        chosen = task.choose(task.probabilities(logits[None]), self._card.thresholds)[0]
        weights, unit = np.zeros(len(logits)), 1.0 / self._card.rule.temperature
        if task is MULTI_LABEL:
            one = _costliest(clip, logits)
            weights[one] = unit if chosen[one] else -unit
            return weights, labels[one] if chosen[one] else f"no {labels[one]}"
        first = int(chosen.argmax())
        if task is BINARY:
            weights[0] = unit if first else -unit
            return weights, f"{labels[first]} rather than {labels[1 - first]}"
        (right,) = clip.targets
        others = np.where(np.arange(len(logits)) == first, -np.inf, logits)
        other = int(others.argmax()) if right == first else right
        weights[first], weights[other] = unit, -unit
        return weights, f"{labels[first]} rather than {labels[other]}"

    def _find_stretch(
        self, clip: Clip, num_frames: int, weights: Float64[np.ndarray, " outputs"]
    ) -> list[int]:
        """First frames of neighbouring windows that together speak most for what was chosen."""
        spec = self._card
        windows = AudioDataset(
            self._store, [clip], WindowGrid(spec.window_frames), num_labels=len(spec.labels)
        )
        loader = OrderedLoader(windows, self._runtime)
        logits = window_logits(self._model, loader, self._runtime, task=spec.task)
        # The last window may overlap the one before.
        num_windows = max(1, num_frames // spec.window_frames)
        most = max(1, int(LONGEST_SECONDS / self._step_seconds) // spec.window_frames)
        count = min(most, num_windows)
        sums = np.convolve((logits @ weights)[:num_windows], np.ones(count), mode="valid")
        first = int(sums.argmax())
        return [index * spec.window_frames for index in range(first, first + count)]

    def _explain(
        self,
        windows: Float32[np.ndarray, "windows mels frames"],
        weights: Float64[np.ndarray, " outputs"],
    ) -> tuple[Float64[np.ndarray, "mels all_frames"], float, float]:
        """Shares of all values side by side, the mean score, and that of a blank window."""
        device = self._runtime.device
        log_mel = torch.from_numpy(windows).unsqueeze(1).to(device)
        signs = torch.from_numpy(weights).float().to(device)
        shares = integrated_gradients(self._model, log_mel, signs)
        with torch.no_grad():
            score = float((self._model(log_mel) @ signs).mean())
            blank = float((self._model(blank_windows(self._model, log_mel[:1])) @ signs).mean())
        in_a_row = shares.permute(1, 0, 2).flatten(1).cpu().double().numpy()
        return in_a_row / len(windows), score, blank

    def _listen(self, clip: Clip, start: float, seconds: float) -> tuple[bytes | None, str]:
        """The stretch as the model hears it, as an MP3 file, or why there is none."""
        recording, rate = self._recordings[clip.name], self._card.config.features.sample_rate
        start += recording.excerpt.start
        end = start + max(min(seconds, LONGEST_SECONDS), MIN_SECONDS)
        try:
            sound = load_audio(recording.path, rate, start=start, end=end)
        except AudioError as error:
            return None, str(error)
        return encode(sound.samples, rate, "mp3", PLAYER_BIT_RATE), ""


def _costliest(clip: Clip, logits: Float64[np.ndarray, " outputs"]) -> int:
    """The label whose presence or absence costs the most."""
    targets = multi_hot([clip.targets], len(logits))[0]
    return int(MULTI_LABEL.losses(logits[:, None], targets[:, None]).argmax())


def _fold(
    shares: Float64[np.ndarray, "mels window"], num_frames: int
) -> Float64[np.ndarray, "mels frames"]:
    """Adds up what stands for the same frame: a short clip is repeated to fill its window."""
    folded = np.zeros((num_frames, len(shares)))
    np.add.at(folded, np.arange(shares.shape[1]) % num_frames, shares.T)
    return folded.T
