"""Several trainings that differ in their seed alone, and how much their figures differ."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.config import Config
from earmark.data.manifest import Manifest
from earmark.training.train import TrainingResult, train

FIGURES = ("loss", "accuracy")


@dataclass(frozen=True)
class SeedResults:
    """What trainings with one seed after another gave.

    Args:
        runs: One result a seed.
    """

    runs: Sequence[TrainingResult]

    def mean(self, figure: str) -> float:
        """The mean over the seeds of a validation figure, ``loss`` or ``accuracy``."""
        return statistics.fmean(self._values(figure))

    def standard_deviation(self, figure: str) -> float | None:
        """The standard deviation of a single seed's figure, from the sample; None from one seed."""
        return statistics.stdev(self._values(figure)) if len(self.runs) > 1 else None

    def _values(self, figure: str) -> list[float]:
        return [one.validation[figure] for one in self.runs if one.validation]

    @property
    def were_validated(self) -> bool:
        """Whether there are validation figures."""
        return all(one.validation for one in self.runs)

    def to_dict(self) -> dict[str, Any]:
        """What ``train --seeds N --json`` prints."""
        summary = {
            figure: {
                "mean": self.mean(figure),
                "standard_deviation": self.standard_deviation(figure),
            }
            for figure in (FIGURES if self.were_validated else ())
        }
        return {"runs": [one.to_dict() for one in self.runs], "validation": summary}


def train_seeds(
    manifest: Manifest, folder: Path, config: Config, num_seeds: int, **options: Any
) -> SeedResults:
    """Trains once a seed, on the same splits.

    Args:
        manifest: The data, as read.
        folder: Holds the run folders, ``seed0`` and so on; those that are finished are read again.
        config: All settings; ``train.seed`` is the first seed.
        num_seeds: How many, one after another.
        **options: As `train` takes them.
    """
    results = []
    for seed in range(config.train.seed, config.train.seed + num_seeds):
        seeded = config.with_train(seed=seed)
        results.append(train(manifest, folder / f"seed{seed}", seeded, **options))
    return SeedResults(results)
