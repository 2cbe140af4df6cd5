"""Losses: against formulas written by hand."""

import numpy as np
import pytest
import torch

from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL
from earmark.training.losses import make_loss


def test_the_binary_loss_is_the_log_loss_of_the_second_label():
    logits, targets = torch.tensor([[2.0], [-1.0]]), torch.eye(2)[[1, 0]]
    probabilities = logits[:, 0].sigmoid()
    expected = -(probabilities[0].log() + (1 - probabilities[1]).log()) / 2
    torch.testing.assert_close(make_loss(BINARY)(logits, targets), expected)


def test_the_loss_of_several_classes_is_the_log_loss_of_the_right_one():
    logits = torch.tensor([[1.0, 2.0, 0.0]])
    expected = -logits.log_softmax(1)[0, 1]
    torch.testing.assert_close(make_loss(MULTI_CLASS)(logits, torch.eye(3)[[1]]), expected)


def test_label_weights_scale_the_loss_of_their_label():
    logits, targets = torch.tensor([[1.0, 2.0, 0.0]] * 2), torch.eye(3)[[0, 1]]
    weighted = make_loss(MULTI_CLASS, label_weights=np.array([3.0, 0.0, 1.0]))
    expected = -3 * logits.log_softmax(1)[0, 0] / 2
    torch.testing.assert_close(weighted(logits, targets), expected)


def test_label_weights_of_several_labels_scale_their_presence():
    logits = torch.tensor([[0.0, 0.0]])
    weighted = make_loss(MULTI_LABEL, label_weights=np.array([3.0, 1.0]))
    present, absent = weighted(logits, torch.tensor([[1.0, 0.0]])), np.log(2)
    assert present.item() == pytest.approx((3 * absent + absent) / 2)


def test_label_smoothing_moves_targets_towards_uniform():
    logits, targets = torch.tensor([[1.0, 2.0, 0.0, 0.5]]), torch.eye(4)[[1]]
    smooth = make_loss(MULTI_CLASS, label_smoothing=0.2)
    expected = make_loss(MULTI_CLASS)(logits, 0.8 * targets + 0.05)
    torch.testing.assert_close(smooth(logits, targets), expected)
