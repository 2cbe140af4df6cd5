"""The training loss: the cross-entropy of each task, with weights for rare labels."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax

from earmark.system.shapes import Float
from earmark.tasks.task import BINARY, MULTI_CLASS, Task

Logits = Float[Tensor, "batch outputs"]
Targets = Float[Tensor, "batch labels"]
Loss = Callable[[Logits, Targets], Float[Tensor, ""]]


def make_loss(
    task: Task,
    *,
    label_weights: Float[np.ndarray, " labels"] | None = None,
    label_smoothing: float = 0.0,
) -> Loss:
    """The loss of a task: the mean over a batch, in nats.

    Args:
        task: What the labels mean.
        label_weights: From `class_weights`: the weight of an example of each label, or, in a
            multi-label task, of the presence of each label.
        label_smoothing: Fraction of each target that is spread uniformly over all values (Szegedy
            et al. 2016, Rethinking the Inception architecture, arXiv:1512.00567, section 7).
    """
    weights = None if label_weights is None else torch.from_numpy(label_weights).float()

    def loss(logits: Logits, targets: Targets) -> Float[Tensor, ""]:
        scale = None if weights is None else weights.to(logits)
        num_values = targets.shape[1] if task is MULTI_CLASS else 2
        smooth = targets * (1.0 - label_smoothing) + label_smoothing / num_values
        if task is MULTI_CLASS:
            losses = -(smooth * log_softmax(logits, dim=1)).sum(dim=1)
        elif task is BINARY:
            losses = binary_cross_entropy_with_logits(logits[:, 0], smooth[:, 1], reduction="none")
        else:
            return binary_cross_entropy_with_logits(logits, smooth, pos_weight=scale)
        return (losses if scale is None else losses * (targets @ scale)).mean()

    return loss


def label_probabilities(logits: Logits, task: Task) -> Targets:
    """The probabilities of all labels, as tensors on the device of the logits.

    Args:
        logits: A row a window.
        task: What the labels mean.
    """
    if task is MULTI_CLASS:
        return logits.softmax(dim=1)
    probabilities = logits.sigmoid()
    if task is BINARY:
        return torch.cat([1.0 - probabilities, probabilities], dim=1)
    return probabilities
