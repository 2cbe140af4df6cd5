"""The section of the report on the training."""

from pathlib import Path

from earmark.errors import EarmarkError
from earmark.models.checkpoint import Checkpoint
from earmark.models.run_folder import RunFolder
from earmark.report.html import html_figure
from earmark.report.origin import Origin
from earmark.training.plots import draw_loss_curve


def render_losses(origin: Origin, checkpoint: Checkpoint) -> str:
    """The losses of the model's run with the epoch of the tested weights, or why they lack."""
    if origin.run is None:
        return "<p>No loss curve: the model does not lie in its run folder.</p>"
    log = _read_losses(origin.run)
    if not log:
        return "<p>No loss curve: the run's log.jsonl is missing or damaged.</p>"
    epoch = checkpoint.progress.get("epoch")
    figure = draw_loss_curve(log, epoch if isinstance(epoch, int) else None, mark="tested")
    validated = all("val_loss" in line for line in log)
    caption = "Loss of training and validation." if validated else "Loss of training."
    return html_figure(figure, caption)


def _read_losses(run: Path) -> list[dict[str, float]]:
    """What the curve needs of a run's log; nothing when it cannot be had."""
    try:
        return [
            {
                key: float(line[key])
                for key in ("epoch", "train_loss", "val_loss")
                if key in line or key != "val_loss"
            }
            for line in RunFolder(run).read_log()
        ]
    except (EarmarkError, OSError, ValueError, LookupError, TypeError):
        return []
