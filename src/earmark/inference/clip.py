"""From the frames of a clip to one decision by all of its windows together."""

import numpy as np

from earmark.features.levels import window_levels_db
from earmark.features.windows import WindowCutter, evaluation_batch
from earmark.inference.backend import Backend, run_backend
from earmark.models.spec import ModelSpec
from earmark.system.shapes import Float, Float32
from earmark.tasks.decision_rule import Decisions
from earmark.tasks.pooling import pool_novelty


class ClipPredictor:
    """Predicts the labels of a clip whose frames come in groups, in a fixed amount of memory.

    Validation and testing pool and decide in the same way, by `DecisionRule.pool` and
    `DecisionRule.decide`.

    Args:
        spec: The specification of the model.
        backend: Its network.

    Example:
        >>> from earmark.config import Config
        >>> spec = ModelSpec(Config(), ("music", "speech"), window_frames=51)
        >>> predictor = ClipPredictor(spec, lambda windows: windows.mean(axis=2)[:, :1])
        >>> predictor.add(np.zeros((192, 40), np.float16)).finish().probabilities.tolist()
        [[0.5, 0.5]]
    """

    def __init__(self, spec: ModelSpec, backend: Backend) -> None:
        self._spec, self._backend = spec, backend
        self._cutter = WindowCutter(spec.window_frames, spec.step_frames())
        self._batch = evaluation_batch(spec.config.features.n_mels, spec.window_frames)
        self._pending: list[np.ndarray] = []
        self._logits: list[np.ndarray] = []
        self._novelty: list[np.ndarray] = []
        self._peak_db = -np.inf

    def add(self, frames: Float[np.ndarray, "_ mels"]) -> "ClipPredictor":
        """Takes the next frames of the clip.

        Args:
            frames: As `earmark.features.log_mel.round_frames` gives them.
        """
        _, windows = self._cutter.add(frames)
        self._pending.extend(windows)
        while len(self._pending) >= self._batch:
            self._run(self._pending[: self._batch])
            del self._pending[: self._batch]
        return self

    def finish(self) -> Decisions:
        """The decision on the whole clip: one row."""
        _, windows = self._cutter.finish()
        self._pending.extend(windows)
        if self._pending:
            self._run(self._pending)
        logits, rule = np.concatenate(self._logits), self._spec.rule
        window_clips = np.zeros(len(logits), np.int64)
        novelty = None
        if self._novelty:
            novelty = pool_novelty(np.concatenate(self._novelty), window_clips)
        pooled = rule.pool(logits, window_clips)
        return rule.decide(pooled, np.array([self._peak_db]), novelty)

    def _run(self, windows: list[Float32[np.ndarray, "mels frames"]]) -> None:
        batch = np.stack(windows)
        output = run_backend(self._backend, batch)
        self._logits.append(output.logits)
        if output.novelty is not None:
            self._novelty.append(output.novelty)
        levels_db = window_levels_db(batch, self._spec.config.features)
        self._peak_db = max(self._peak_db, float(levels_db.max()))


def decide_windows(
    spec: ModelSpec, backend: Backend, windows: Float32[np.ndarray, "windows mels frames"]
) -> Decisions:
    """A decision on each window alone, by `ModelSpec.window_rule`.

    Args:
        spec: The specification of the model.
        backend: Its network.
        windows: Log-mel windows.
    """
    levels_db = window_levels_db(windows, spec.config.features)
    output = run_backend(backend, windows)
    return spec.window_rule.decide(output.logits, levels_db, output.novelty)
