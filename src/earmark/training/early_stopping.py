"""When training stops before its last epoch."""

import math
from dataclasses import dataclass


@dataclass
class EarlyStopping:
    """Stops when the validation loss has not improved for some epochs.

    Args:
        patience: Epochs without improvement before training stops.
        min_delta: Minimum decrease of the loss that counts as an improvement.
    """

    patience: int
    min_delta: float = 0.0
    best_loss: float = math.inf
    best_epoch: int = 0
    epoch: int = 0

    def update(self, loss: float | None) -> bool:
        """Counts an epoch; whether it is the best so far, which without a loss is the last."""
        self.epoch += 1
        if loss is None:
            self.best_epoch = self.epoch
        elif loss < self.best_loss - self.min_delta:
            self.best_loss, self.best_epoch = loss, self.epoch
        return self.best_epoch == self.epoch

    @property
    def should_stop(self) -> bool:
        """Whether patience has run out."""
        return self.epoch - self.best_epoch >= self.patience
