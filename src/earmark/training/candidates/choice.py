"""Whose settings are used and which candidates are averaged, by the loss of validation clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from earmark.system.shapes import Float64

MAX_MEMBERS = 3
"""Most networks whose probabilities are averaged: each of them predicts in every training step."""
MARGIN = 0.02
"""Fraction by which the loss of the average must be lower than that of the best one alone."""
SMALLEST = 1e-6
"""Probabilities are stored with six digits."""

Rows = Float64[np.ndarray, "clips labels"]


@dataclass(frozen=True)
class Validated:
    """The probabilities that a network gives to validation clips.

    Args:
        probabilities: A row a clip.
        targets: 1 for the labels that a clip has.
        is_multi_label: Whether labels are independent of each other.
    """

    probabilities: Rows
    targets: Rows
    is_multi_label: bool = False

    def loss(self) -> float:
        """Mean cross-entropy of a clip, in nats; for several labels of the mean over them."""
        return float(self._losses().mean())

    def standard_error(self) -> float:
        """Of `loss`, as if clips were independent; 0 for a single one."""
        losses = self._losses()
        return float(losses.std(ddof=1) / np.sqrt(len(losses))) if len(losses) > 1 else 0.0

    def _losses(self) -> Float64[np.ndarray, " clips"]:
        present = np.log(self.probabilities.clip(SMALLEST, 1.0))
        if not self.is_multi_label:
            return -(self.targets * present).sum(axis=1)
        absent = np.log((1.0 - self.probabilities).clip(SMALLEST, 1.0))
        return -(self.targets * present + (1.0 - self.targets) * absent).mean(axis=1)


@dataclass(frozen=True)
class Ensemble:
    """Networks whose mean probabilities are used.

    Args:
        members: Their names, the best one first.
        loss: Log-loss of the mean.
    """

    members: tuple[str, ...]
    loss: float


def choose_settings(validated: Mapping[str, Validated]) -> str:
    """The first network whose loss is at most one standard error above the lowest.

    A lower loss on a few validation clips is often chance, more so the more networks are compared.

    Args:
        validated: Name to predictions, of the same clips; the most trusted settings first.

    Source:
        Breiman et al. (1984), Classification and regression trees, section 3.4.3.

    Example:
        >>> targets = np.eye(2)
        >>> rules = Validated(np.array([[0.8, 0.2], [0.5, 0.5]]), targets)
        >>> wider = Validated(np.array([[0.9, 0.1], [0.5, 0.5]]), targets)
        >>> choose_settings({"rules": rules, "wider": wider})
        'rules'
    """
    best = min(validated.values(), key=Validated.loss)
    limit = best.loss() + best.standard_error()
    return next(name for name, one in validated.items() if one.loss() <= limit)


def choose_members(
    validated: Mapping[str, Validated], max_members: int = MAX_MEMBERS, margin: float = MARGIN
) -> Ensemble:
    """The best network, or the mean of a few where it is clearly better.

    Beginning with the best one, the network is added that lowers the loss of the mean most, as long
    as one does.

    Args:
        validated: Name to predictions, of the same clips.
        max_members: Most networks.
        margin: Fraction by which the loss of the mean must be lower.

    Source:
        Caruana et al. (2004), Ensemble selection from libraries of models, ICML, section 2, without
        replacement.

    Example:
        >>> targets = np.eye(2)
        >>> one = Validated(np.array([[0.9, 0.1], [0.5, 0.5]]), targets)
        >>> two = Validated(np.array([[0.5, 0.5], [0.05, 0.95]]), targets)
        >>> choose_members({"one": one, "two": two}).members
        ('two', 'one')
    """
    losses = {name: one.loss() for name, one in validated.items()}
    best = min(losses, key=lambda name: losses[name])
    members, loss = (best,), losses[best]
    while len(members) < min(max_members, len(validated)):
        grown = {
            name: _mean([validated[one] for one in (*members, name)]).loss()
            for name in validated
            if name not in members
        }
        added = min(grown, key=lambda name: grown[name])
        if grown[added] >= loss:
            break
        members, loss = (*members, added), grown[added]
    if loss > (1.0 - margin) * losses[best]:
        return Ensemble((best,), losses[best])
    return Ensemble(members, loss)


def _mean(several: Sequence[Validated]) -> Validated:
    probabilities = np.mean([one.probabilities for one in several], axis=0)
    return Validated(probabilities, several[0].targets, several[0].is_multi_label)
