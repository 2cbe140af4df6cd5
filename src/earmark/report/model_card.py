"""A model card: what the report knows, in Markdown with the front matter of the Hugging Face Hub.

Nothing is made up: what earmark cannot know is said to be not stated.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from earmark._version import __version__
from earmark.errors import EarmarkError
from earmark.evaluation.analysis.analyze import Examination
from earmark.evaluation.analysis.slices import Slice
from earmark.evaluation.result import Evaluation
from earmark.models.architectures.summary import count_parameters
from earmark.models.checkpoint import Checkpoint
from earmark.models.run_folder import RunFolder
from earmark.report.model import describe_rule
from earmark.report.origin import Origin
from earmark.tasks.task import MULTI_LABEL

UNKNOWN = "Not stated."
WORST_SLICES = 3


def render_model_card(
    evaluation: Evaluation,
    checkpoint: Checkpoint,
    origin: Origin,
    examination: Examination | None = None,
) -> str:
    """The card as text, to be completed by who knows more.

    Args:
        evaluation: The test.
        checkpoint: The model that was tested.
        origin: Where the model and the data come from.
        examination: What stands behind the test, where it is at hand.

    Source:
        Mitchell et al. (2019), Model cards for model reporting, FAT*, arXiv:1810.03993, for the
        sections; huggingface.co/docs/hub/model-cards for the front matter.
    """
    labels = checkpoint.spec.labels
    sections = {
        "Intended use": _use(checkpoint),
        "Training data": _training(origin.run),
        "Test data": _testing(evaluation, origin),
        "Metrics": _metrics(evaluation),
        "Limits": _limits(evaluation, examination),
        "Licence": f"{UNKNOWN}\n",
    }
    return (
        _front_matter(evaluation, origin)
        + f"# {_plain(' or '.join(labels[:4]))}{' or more' if len(labels) > 4 else ''}\n\n"
        + _summary(checkpoint, evaluation)
        + "".join(f"\n## {title}\n\n{text}" for title, text in sections.items())
    )


def _front_matter(evaluation: Evaluation, origin: Origin) -> str:
    """Metadata in YAML; texts are written as JSON strings, which YAML reads alike."""
    scores = evaluation.scores
    figures = {"accuracy": scores.accuracy, "f1": scores.macro_f1}
    names = {"accuracy": "Accuracy", "f1": "Macro F1"}
    known = {key: value for key, value in figures.items() if value is not None}
    lines = [
        "library_name: earmark",
        "pipeline_tag: audio-classification",
        "tags:",
        *(f"- {tag}" for tag in ("audio", "audio-classification", scores.task.replace("_", "-"))),
        "metrics:",
        *(f"- {key}" for key in known),
        "model-index:",
        f"- name: {_quote(origin.model.parent.name or origin.model.name)}",
        "  results:",
        "  - task:",
        "      type: audio-classification",
        "    dataset:",
        "      type: audiofolder",
        f"      name: {_quote(_data_name(origin))}",
        "      split: test",
        "    metrics:",
    ]
    for key, value in known.items():
        lines += [f"    - type: {key}", f"      value: {value:.6f}", f"      name: {names[key]}"]
    return "---\n" + "\n".join(lines) + "\n---\n\n"


def _summary(checkpoint: Checkpoint, evaluation: Evaluation) -> str:
    spec = checkpoint.spec
    features, seconds = spec.config.features, _window_seconds(checkpoint)
    parameters = count_parameters(checkpoint.build())
    return (
        f"A {spec.task.title} classifier of sound: log-mel band energies and a network "
        f"({_plain(spec.config.model.name)}) of {parameters:,} parameters. It hears "
        f"{features.sample_rate:,} Hz mono in {features.n_mels} bands, in windows of {seconds:.2f} "
        f"s; those of a longer recording decide together ({spec.config.predict.pooling}). Its "
        f"rule: {_plain(describe_rule(evaluation))}.{_taught(spec.config.train.teachers)} "
        f"Made with earmark {__version__}.\n\n"
        f"Labels: {_plain(', '.join(spec.labels))}.\n"
    )


def _taught(teachers: Sequence[str]) -> str:
    if not teachers:
        return ""
    names = _plain(", ".join(Path(one).name for one in teachers))
    return f" Beside the labels it learnt from trained networks ({names}), on the same recordings."


def _window_seconds(checkpoint: Checkpoint) -> float:
    features = checkpoint.spec.config.features
    return (checkpoint.spec.window_frames - 1) * features.hop_length / features.sample_rate


def _use(checkpoint: Checkpoint) -> str:
    several, rule = checkpoint.spec.task is MULTI_LABEL, checkpoint.spec.rule
    kind = "any of these labels" if several else "one of these labels"
    doubt = f", or no label is {rule.min_probability:g} probable" if rule.min_probability else ""
    return (
        f"To give recordings like those of the test {kind}. A recording gets none where it is "
        f"silence (below {rule.silence_db:g} dBFS){doubt}; a sound of another kind may get one all "
        f"the same. Other uses, and uses to keep away from: {UNKNOWN.lower()}\n"
    )


def _training(run: Path | None) -> str:
    counts = _count_recordings(run) if run else None
    if not counts:
        return f"{UNKNOWN}\n"
    lines = [
        f"- {split}: {sum(labels.values())} recordings ("
        + ", ".join(f"{_plain(label or 'no label')} {count}" for label, count in labels.items())
        + ")\n"
        for split, labels in counts.items()
        if labels
    ]
    return "".join(lines) + f"\nWhere they come from, and who is heard: {UNKNOWN.lower()}\n"


def _count_recordings(run: Path) -> dict[str, Counter[str]]:
    """Recordings by split and label; nothing when the table of the run cannot be read."""
    try:
        rows = [row for row in RunFolder(run).read_recordings() if row["key"]]
        return {
            name: Counter(row["label"] for row in rows if row["split"] == split)
            for name, split in (("training", "train"), ("validation", "validation"))
        }
    except (EarmarkError, OSError, LookupError, ValueError):
        return {}


def _testing(evaluation: Evaluation, origin: Origin) -> str:
    scores = evaluation.scores
    skipped = len(evaluation.skipped)
    left = f" {skipped} more could not be judged." if skipped else ""
    return (
        f"{scores.num_clips} recordings from {scores.num_groups} groups of "
        f"{_plain(_data_name(origin))} "
        f"({origin.split}).{left}\n"
    )


def _data_name(origin: Origin) -> str:
    """What the data are called, be they given as the folder that one is in."""
    return Path(origin.data).resolve().name


def _metrics(evaluation: Evaluation) -> str:
    scores = evaluation.scores
    low, high = scores.accuracy_interval
    rows = [
        ("accuracy", f"{scores.accuracy:.1%} ({scores.num_correct} of {scores.num_clips})"),
        ("its interval", f"{low:.1%} to {high:.1%}"),
        ("log-loss", f"{scores.loss:.4f} nats"),
        ("macro F1", _ratio(scores.macro_f1)),
        ("area under the ROC curve", _ratio(scores.roc_auc)),
    ]
    if scores.ranks:
        rows.append(("mean average precision", _ratio(scores.ranks.mean_average_precision)))
    table = _table(("figure", "value"), rows)
    by_label = _table(
        ("label", "precision", "recall", "F1", "recordings"),
        [
            (label, *(_ratio(one[key]) for key in ("precision", "recall", "f1")), one["num_clips"])
            for label, one in scores.per_class.items()
        ],
    )
    return f"{table}\n{by_label}"


def _limits(evaluation: Evaluation, examination: Examination | None) -> str:
    low, high = evaluation.scores.accuracy_interval
    lines = [
        f"With so many recordings the true accuracy on such data is likely between {low:.1%} and "
        f"{high:.1%}; on other data it is not known."
    ]
    whole = evaluation.scores.accuracy
    below = [
        one
        for one in (examination.slices if examination else ())
        if one.accuracy_interval[1] < whole
    ]
    lines += [f"Worse than the whole: {_part(one)}." for one in below[:WORST_SLICES]]
    if examination and examination.robustness:
        lines += [
            f"{one.condition}: accuracy {one.accuracy:.1%} ({one.num_correct} of {one.num_clips})."
            for one in examination.robustness.conditions
        ]
    else:
        lines.append("Worse sound (telephone, lossy codecs, noise) was not tried.")
    lines.append(f"Fairness, and harm that errors may do: {UNKNOWN.lower()}")
    return "".join(f"- {line}\n" for line in lines)


def _part(one: Slice) -> str:
    low, high = one.accuracy_interval
    return (
        f"{_plain(f'{one.column} {one.value}')}, {one.accuracy:.1%} ({low:.1%} to {high:.1%}) of "
        f"{one.num_clips} recordings"
    )


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(_plain(str(cell)) for cell in line)} |\n" for line in lines)


def _plain(text: str) -> str:
    """Text that Markdown shows as it is written, on one line and in one cell."""
    marks = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]<>|#"})
    return " ".join(_unicode(text).split()).translate(marks)


def _quote(text: str) -> str:
    # The escapes of JSON are halves of characters, which YAML does not put together.
    return json.dumps(_unicode(text), ensure_ascii=False)


def _unicode(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()
