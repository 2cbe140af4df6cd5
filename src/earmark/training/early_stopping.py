"""When training stops before its last epoch."""

import math
from dataclasses import dataclass


@dataclass
class EarlyStopping:
    """Stops when the validation loss has not improved for some epochs.

    The best epoch is that of the lowest loss. Whether training goes on depends on decreases of some
    size: a loss that creeps towards zero is lowest in nearly every epoch, and no better for it.

    Args:
        patience: Epochs without such a decrease before training stops.
        min_delta: Decrease of the loss that counts.
        best_loss: The lowest loss so far.
        best_epoch: Its epoch.
        counted_loss: The last loss that was lower by ``min_delta`` than the one before it.
        counted_epoch: Its epoch.
        epoch: The last epoch.
    """

    patience: int
    min_delta: float = 0.0
    best_loss: float = math.inf
    best_epoch: int = 0
    counted_loss: float = math.inf
    counted_epoch: int = 0
    epoch: int = 0

    def update(self, loss: float | None) -> bool:
        """Counts an epoch; whether it is the best so far, which without a loss is the last."""
        self.epoch += 1
        if loss is None:
            self.best_epoch = self.counted_epoch = self.epoch
            return True
        if loss < self.counted_loss - self.min_delta:
            self.counted_loss, self.counted_epoch = loss, self.epoch
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self.epoch
        return self.best_epoch == self.epoch

    @property
    def should_stop(self) -> bool:
        """Whether patience has run out."""
        return self.epoch - self.counted_epoch >= self.patience
