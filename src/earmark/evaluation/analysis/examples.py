"""Example clips to look at and listen to: the largest losses, and the most confident hits."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from earmark.audio.player import MAX_SECONDS, encode_for_player
from earmark.data.content import Clip
from earmark.data.dataset import AudioDataset
from earmark.data.loaders import OrderedLoader
from earmark.data.recording import Recording
from earmark.errors import AudioError
from earmark.evaluation.analysis.attribution import baseline_windows, integrated_gradients
from earmark.evaluation.evaluate import window_logits
from earmark.evaluation.loaded_model import LoadedModel
from earmark.evaluation.metrics.scores import Predictions
from earmark.evaluation.result import Evaluation
from earmark.features.store import FeatureStore, Frames
from earmark.features.windows import WindowGrid, cut_window
from earmark.system.shapes import Float32, Float64
from earmark.tasks.decision_rule import Reason
from earmark.tasks.task import BINARY, MULTI_LABEL, join_labels, multi_hot

NUM_WORST = 5
NUM_MOST_CONFIDENT = 5


@dataclass(frozen=True)
class RankedClip:
    """The prediction of one clip in a test.

    Args:
        index: Index of the clip among the test clips.
        name: Its name.
        label: Its labels, joined as in a manifest.
        predicted: The predicted labels, joined likewise.
        probability: Of the most probable predicted label; of the most probable label if none is
            predicted.
        loss: Cross-entropy of the task, in nats.
        correct: Whether exactly its labels are predicted.
        abstained: Why the model abstained; None if it did not.
    """

    index: int
    name: str
    label: str
    predicted: str
    probability: float
    loss: float
    correct: bool
    abstained: Reason | None = None

    def to_dict(self) -> dict[str, Any]:
        """What ``evaluate --json`` prints for a clip with a large loss."""
        return {
            "path": self.name,
            "label": self.label,
            "predicted": self.predicted,
            "probability": self.probability,
            "loss": self.loss,
        }


@dataclass(frozen=True)
class Example:
    """An excerpt of a clip: its frames, its sound, and what in it led to the prediction.

    Args:
        clip: The prediction of the clip.
        duration_seconds: Duration of the whole clip.
        start_seconds: Start of the excerpt in the clip.
        frames: Its log-mel frames.
        attributions: Contribution of each of their values to ``score``, bands first.
        question: What the score is evidence for, such as ``speech rather than music``.
        score: Calibrated log-odds of the question, the mean over the windows of the excerpt.
        baseline_score: Score of a window in which each band has its mean over the training data.
        sound: The excerpt as an MP3 file; None if it cannot be decoded.
        error: Why it cannot be decoded.
    """

    clip: RankedClip
    duration_seconds: float
    start_seconds: float
    frames: Frames
    attributions: Float64[np.ndarray, "mels frames"]
    question: str
    score: float
    baseline_score: float
    sound: bytes | None
    error: str = ""


def rank_clips(evaluation: Evaluation) -> list[RankedClip]:
    """Every test clip, by decreasing loss."""
    predictions, labels = evaluation.predictions, evaluation.labels
    rows = zip(
        *(predictions.clips, evaluation.chosen, predictions.probabilities),
        predictions.task.losses(predictions.logits, predictions.targets),
        *(evaluation.correct, evaluation.decisions.abstained),
        strict=True,
    )
    clips = [
        RankedClip(
            index=index,
            name=clip.name,
            label=join_labels(labels, clip.targets),
            predicted=join_labels(labels, chosen),
            probability=float(row[list(chosen)].max() if chosen else row.max()),
            loss=float(loss),
            correct=bool(correct),
            abstained=abstained,
        )
        for index, (clip, chosen, row, loss, correct, abstained) in enumerate(rows)
    ]
    return sorted(clips, key=lambda one: -one.loss)


def choose_examples(ranked: Sequence[RankedClip]) -> tuple[list[RankedClip], list[RankedClip]]:
    """The clips with the largest loss, and the most confident hits of each label in turn.

    Args:
        ranked: As from `rank_clips`.

    Returns:
        At most `NUM_WORST` and `NUM_MOST_CONFIDENT` clips; no clip is in both.
    """
    worst = list(ranked[:NUM_WORST])
    by_label: dict[str, list[RankedClip]] = {}
    for one in reversed(ranked[NUM_WORST:]):
        if one.correct:
            by_label.setdefault(one.label, []).append(one)
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(*by_label.values()))
    return worst, [one for one in in_turn if one is not None][:NUM_MOST_CONFIDENT]


class ExampleMaker:
    """Makes examples of clips, in one process.

    Args:
        model: The network that was tested.
        store: The features of the clips.
        recordings: The recording of each clip, by name.
    """

    def __init__(
        self, model: LoadedModel, store: FeatureStore, recordings: Mapping[str, Recording]
    ) -> None:
        self._spec = model.spec
        self._network = model.network
        self._runtime = model.in_one_process.runtime
        self._store = store
        self._recordings = recordings
        features = self._spec.config.features
        self._hop_seconds = features.frame_seconds

    def make(self, ranked: RankedClip, predictions: Predictions) -> Example:
        """An example of one clip: at most `MAX_SECONDS` of it, or one window.

        Args:
            ranked: The clip.
            predictions: Those of the test, calibrated.
        """
        clip = predictions.clips[ranked.index]
        weights, question = self._ask(clip, predictions.logits[ranked.index])
        frames = self._store[clip.key]
        starts = self._find_excerpt(clip, len(frames), weights)
        length = self._spec.window_frames
        shown = frames[starts[0] : starts[-1] + length]
        windows = np.stack([cut_window(frames, start, length) for start in starts])
        attributions, score, baseline_score = self._attribute(windows, weights)
        first = starts[0] * self._hop_seconds
        sound, error = self._encode(clip, first, (len(shown) - 1) * self._hop_seconds)
        return Example(
            clip=ranked,
            duration_seconds=(len(frames) - 1) * self._hop_seconds,
            start_seconds=first,
            frames=shown,
            attributions=_fold(attributions, len(shown)),
            question=question,
            score=score,
            baseline_score=baseline_score,
            sound=sound,
            error=error,
        )

    def _ask(
        self, clip: Clip, logits: Float64[np.ndarray, " outputs"]
    ) -> tuple[Float64[np.ndarray, " outputs"], str]:
        """Weight of each logit, and the question: why this label rather than the next best?"""
        task, labels = self._spec.task, self._spec.labels
        chosen = task.choose(task.probabilities(logits[None]), self._spec.thresholds)[0]
        weights, unit = np.zeros(len(logits)), 1.0 / self._spec.rule.temperature
        if task is MULTI_LABEL:
            worst = _largest_loss(clip, logits)
            weights[worst] = unit if chosen[worst] else -unit
            return weights, labels[worst] if chosen[worst] else f"no {labels[worst]}"
        first = int(chosen.argmax())
        if task is BINARY:
            weights[0] = unit if first else -unit
            return weights, f"{labels[first]} rather than {labels[1 - first]}"
        (actual,) = clip.targets
        others = np.where(np.arange(len(logits)) == first, -np.inf, logits)
        other = int(others.argmax()) if actual == first else actual
        weights[first], weights[other] = unit, -unit
        return weights, f"{labels[first]} rather than {labels[other]}"

    def _find_excerpt(
        self, clip: Clip, num_frames: int, weights: Float64[np.ndarray, " outputs"]
    ) -> list[int]:
        """First frames of the adjacent windows with the largest total score."""
        spec = self._spec
        windows = AudioDataset(
            self._store, [clip], WindowGrid(spec.window_frames), num_labels=len(spec.labels)
        )
        loader = OrderedLoader(windows, self._runtime)
        logits = window_logits(self._network, loader, self._runtime, task=spec.task)
        # The last window may overlap the one before.
        num_windows = max(1, num_frames // spec.window_frames)
        most = max(1, int(MAX_SECONDS / self._hop_seconds) // spec.window_frames)
        count = min(most, num_windows)
        sums = np.convolve((logits @ weights)[:num_windows], np.ones(count), mode="valid")
        first = int(sums.argmax())
        return [index * spec.window_frames for index in range(first, first + count)]

    def _attribute(
        self,
        windows: Float32[np.ndarray, "windows mels frames"],
        weights: Float64[np.ndarray, " outputs"],
    ) -> tuple[Float64[np.ndarray, "mels all_frames"], float, float]:
        """Attributions of all windows side by side, their mean score, and the baseline score."""
        network, device = self._network, self._runtime.device
        log_mel = torch.from_numpy(windows).unsqueeze(1).to(device)
        output_weights = torch.from_numpy(weights).float().to(device)
        attributions = integrated_gradients(network, log_mel, output_weights)
        with torch.no_grad():
            score = float((network(log_mel) @ output_weights).mean())
            baseline = baseline_windows(network, log_mel[:1])
            baseline_score = float((network(baseline) @ output_weights).mean())
        side_by_side = attributions.permute(1, 0, 2).flatten(1).cpu().double().numpy()
        return side_by_side / len(windows), score, baseline_score

    def _encode(self, clip: Clip, start: float, seconds: float) -> tuple[bytes | None, str]:
        """The excerpt at the sample rate of the model, as an MP3 file, or why there is none."""
        recording, features = self._recordings[clip.name], self._spec.config.features
        start += recording.excerpt.start
        try:
            sound = encode_for_player(
                *(recording.path, start, start + seconds, features.sample_rate),
                channel=features.channel,
            )
        except AudioError as error:
            return None, str(error)
        return sound, ""


def _largest_loss(clip: Clip, logits: Float64[np.ndarray, " outputs"]) -> int:
    """The label whose presence or absence contributes most to the loss."""
    targets = multi_hot([clip.targets], len(logits))[0]
    return int(MULTI_LABEL.losses(logits[:, None], targets[:, None]).argmax())


def _fold(
    attributions: Float64[np.ndarray, "mels window"], num_frames: int
) -> Float64[np.ndarray, "mels frames"]:
    """Sums what belongs to the same frame: a short clip is repeated to fill its window."""
    folded = np.zeros((num_frames, len(attributions)))
    np.add.at(folded, np.arange(attributions.shape[1]) % num_frames, attributions.T)
    return folded.T
