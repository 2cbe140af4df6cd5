"""The sections of the report on the model and its training."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from earmark.errors import EarmarkError
from earmark.evaluation.result import Evaluation
from earmark.models.architectures.summary import count_parameters
from earmark.models.checkpoint import Checkpoint
from earmark.models.run_folder import RunFolder
from earmark.report.html import Table, make_picture, render
from earmark.tasks.task import BINARY, MULTI_LABEL
from earmark.training.plots import draw_loss_curve

TEST_SPLIT = "test split"
HELD_OUT = "recordings held out of training"


@dataclass(frozen=True)
class Origin:
    """Which model was tested on which data.

    Args:
        model: The file of the model.
        data: The data set.
        split: `TEST_SPLIT`, or `HELD_OUT` for data without splits.
        run: The run folder of the model, whose losses the report shows.
        naming: The patterns of file names that the data were read with, as options.
    """

    model: Path
    data: str
    split: str = TEST_SPLIT
    run: Path | None = None
    naming: str = ""


def render_model(checkpoint: Checkpoint, evaluation: Evaluation) -> Markup:
    """Size, decision rule, cost, digests and settings."""
    config = checkpoint.spec.config
    num_parameters = find_num_parameters(checkpoint, evaluation)
    rows: list[tuple[str, object]] = [
        ("architecture", config.model.name),
        ("parameters", f"{num_parameters:,}"),
        ("decision rule", describe_rule(evaluation)),
        *_provenance(evaluation),
    ]
    return render("model.html", table=Table(("property", "value"), rows), settings=config.to_toml())


def find_num_parameters(checkpoint: Checkpoint, evaluation: Evaluation) -> int:
    """Number of trainable parameters; from the test, if it has recorded them."""
    facts = evaluation.provenance
    return facts.num_parameters if facts else count_parameters(checkpoint.build())


def _provenance(evaluation: Evaluation) -> list[tuple[str, object]]:
    facts = evaluation.provenance
    if facts is None:
        return []
    latency = f"{1000 * facts.latency_seconds:.2f} ms"
    return [
        ("multiply-adds per window", f"{facts.num_multiply_adds:,}"),
        ("window length", f"{facts.window_seconds:.3f} s"),
        ("latency per window, front end and network", latency),
        ("device", facts.device),
        ("training seed", facts.seed),
        ("digest of the weights", facts.weights_digest),
        ("digest of the settings", facts.config_digest),
        ("digest of the test data", facts.data_digest),
        ("earmark version", facts.earmark_version),
    ]


def describe_rule(evaluation: Evaluation) -> str:
    """How probabilities become labels."""
    labels, thresholds = evaluation.scores.labels, evaluation.thresholds
    task = evaluation.predictions.task
    source = "validation data" if evaluation.thresholds_from == "validation" else "default"
    if task is BINARY:
        return f"{labels[1]} at a probability of {thresholds[0]:g} or more ({source})"
    if task is MULTI_LABEL:
        pairs = zip(labels, thresholds, strict=True)
        listed = ", ".join(f"{label} {threshold:.2f}" for label, threshold in pairs)
        return f"each label at its probability or more: {listed} ({source})"
    return "the most probable label"


def render_choices(run: Path | None) -> Markup | None:
    """What was chosen from the data and why; None where nothing was, or nobody knows.

    Args:
        run: The run folder of the model.
    """
    document = None
    if run is not None:
        with suppress(EarmarkError, OSError):
            document = RunFolder(run).read_choices()
    if not (document and document["choices"]):
        return None
    rows = [
        (one["setting"], _describe_value(one["value"]), one["reason"])
        for one in document["choices"]
    ]
    return render("choices.html", table=Table(("setting", "value", "reason"), rows))


def _describe_value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def render_training(origin: Origin, checkpoint: Checkpoint) -> Markup:
    """The losses of the model's run with the epoch of the tested weights, or why there are none."""
    if origin.run is None:
        reason = "the model is outside its run folder"
        return render("training.html", picture=None, missing="run", reason=reason)
    log = _read_losses(origin.run)
    if not log:
        reason = "the run's log.jsonl is missing or damaged"
        return render("training.html", picture=None, missing="log", reason=reason)
    epoch = checkpoint.progress.get("epoch")
    figure = draw_loss_curve(log, epoch if isinstance(epoch, int) else None, mark="tested")
    validated = all("val_loss" in line for line in log)
    caption = "Training and validation loss by epoch." if validated else "Training loss by epoch."
    if checkpoint.spec.config.train.refit:
        caption = "Training loss by epoch, on the training and validation clips together."
    return render("training.html", picture=make_picture(figure, caption))


def _read_losses(run: Path) -> list[dict[str, float]]:
    """The epochs and losses of a run's log; none when it cannot be read."""
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
