"""The loss curve."""

from earmark.training.plots import draw_loss_curve, loss_curve

LOG = [{"epoch": n, "train_loss": 1 / n, "val_loss": 2 / n} for n in (1, 2, 3)]


def test_both_losses_are_drawn_and_the_best_epoch_is_marked():
    (axes,) = draw_loss_curve(LOG, 2).axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["training", "validation", "best: epoch 2"]
    assert list(axes.lines[1].get_ydata()) == [2, 1, 2 / 3]


def test_without_validation_one_line_is_drawn():
    log = [{"epoch": 1, "train_loss": 1.0}]
    (axes,) = draw_loss_curve(log, None).axes
    assert len(axes.lines) == 1
    assert loss_curve(log, 1).startswith(b"\x89PNG")
