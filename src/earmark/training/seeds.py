"""Several trainings that differ in their seed alone, and the spread of their metrics."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.config import Config, as_config
from earmark.data.manifest import Manifest, read_manifest
from earmark.system.runtime import Runtime, running
from earmark.training.baseline import with_baseline
from earmark.training.result import TrainingResult
from earmark.training.train import run_training

METRICS = ("loss", "accuracy")


@dataclass(frozen=True)
class SeedResults:
    """The results of several seeds.

    Args:
        runs: One a seed.
    """

    runs: Sequence[TrainingResult]

    def mean(self, metric: str) -> float:
        """Mean over the seeds of a validation metric, ``loss`` or ``accuracy``."""
        return statistics.fmean(self._values(metric))

    def standard_deviation(self, metric: str) -> float | None:
        """Sample standard deviation over the seeds of a validation metric; None for one seed."""
        return statistics.stdev(self._values(metric)) if len(self.runs) > 1 else None

    def _values(self, metric: str) -> list[float]:
        return [one.validation[metric] for one in self.runs if one.validation]

    @property
    def were_validated(self) -> bool:
        """Whether there are validation metrics."""
        return all(one.validation for one in self.runs)

    def summary(self) -> str:
        """Mean and standard deviation of the validation metrics, in one line."""
        if not self.were_validated:
            return f"{len(self.runs)} seeds without validation"
        loss, accuracy = map(self._mean_and_deviation, METRICS)
        return f"{len(self.runs)} seeds: validation {loss}, {accuracy} (mean ± standard deviation)"

    def _mean_and_deviation(self, metric: str) -> str:
        deviation = self.standard_deviation(metric)
        spread = "" if deviation is None else f" ± {deviation:.4f}"
        return f"{metric} {self.mean(metric):.4f}{spread}"

    def to_dict(self) -> dict[str, Any]:
        """What ``train --seeds N --json`` prints."""
        summary = {
            metric: {
                "mean": self.mean(metric),
                "standard_deviation": self.standard_deviation(metric),
            }
            for metric in (METRICS if self.were_validated else ())
        }
        return {"runs": [one.to_dict() for one in self.runs], "validation": summary}

    def __repr__(self) -> str:
        return f"SeedResults({self.summary()})"


def train_seeds(  # noqa: PLR0913 - one more than `train`: how many
    data: Path | str | Manifest,
    folder: Path | str,
    num_seeds: int,
    config: Config | Path | str | None = None,
    *,
    device: str | Runtime = "auto",
    store: Path | str | None = None,
    overwrite: bool = False,
) -> SeedResults:
    """Trains once a seed, on the same splits.

    Args:
        data: A folder or a manifest; missing splits are assigned.
        folder: Holds the run folders, ``seed0`` and so on; finished runs are not trained again.
        num_seeds: Number of seeds, trained one after another.
        config: All settings, or a TOML file of them; ``train.seed`` is the first seed.
        device: Where to compute.
        store: Folder of the feature store; the shared one by default.
        overwrite: Start again in folders that hold other runs.

    Raises:
        EarmarkError: As `train` does.
    """
    manifest, config = read_manifest(data), as_config(config)
    first = config.train.seed
    with running(device) as runtime:
        runs = [
            with_baseline(
                run_training(
                    manifest,
                    Path(folder) / f"seed{seed}",
                    config.with_train(seed=seed),
                    runtime=runtime,
                    store=store,
                    overwrite=overwrite,
                ),
                runtime,
                store,
            )
            for seed in range(first, first + num_seeds)
        ]
    return SeedResults(runs)
