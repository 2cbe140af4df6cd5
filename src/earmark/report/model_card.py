"""A model card: the facts of the report in Markdown, with the front matter of the Hugging Face Hub.

What earmark cannot know is marked as not stated.
"""

import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from earmark._version import __version__
from earmark.config import TrainConfig
from earmark.errors import EarmarkError
from earmark.evaluation.analysis.analyze import Analysis
from earmark.evaluation.analysis.slices import Slice
from earmark.evaluation.baselines import CLASSICAL_NAME
from earmark.evaluation.metrics.formats import format_ratio
from earmark.evaluation.result import Evaluation
from earmark.models.checkpoint import Checkpoint
from earmark.models.run_folder import RunFolder
from earmark.models.spec import ModelSpec
from earmark.report.model import Origin, describe_rule, find_num_parameters
from earmark.report.slices import find_worse
from earmark.tasks.task import MULTI_LABEL

UNKNOWN = "Not stated."
MAX_SLICES = 3
MAX_LABELS = 4


def render_model_card(
    evaluation: Evaluation,
    checkpoint: Checkpoint,
    origin: Origin,
    analysis: Analysis | None = None,
) -> str:
    """The card as text, for the model's author to complete.

    Args:
        evaluation: The test.
        checkpoint: The model that was tested.
        origin: Where the model and the data come from.
        analysis: Slices and robustness of the test.

    Source:
        Mitchell et al. (2019), Model cards for model reporting, FAT*, arXiv:1810.03993, for the
        sections; huggingface.co/docs/hub/model-cards for the front matter.
    """
    labels = checkpoint.spec.answers
    more = f" and {len(labels) - MAX_LABELS} more labels" if len(labels) > MAX_LABELS else ""
    title = f"Audio classifier: {', '.join(labels[:MAX_LABELS])}{more}"
    sections = {
        "Intended use": _use(checkpoint),
        "Training data": _training_data(origin.run),
        "Test data": _test_data(evaluation, origin),
        "Metrics": _metrics(evaluation),
        "Limits": _limits(evaluation, analysis),
        "Licence": f"{UNKNOWN}\n",
    }
    return (
        _front_matter(evaluation, origin)
        + f"# {_plain(title)}\n\n"
        + _summary(checkpoint, evaluation)
        + "".join(f"\n## {title}\n\n{text}" for title, text in sections.items())
    )


def _front_matter(evaluation: Evaluation, origin: Origin) -> str:
    """Metadata in YAML; texts are JSON strings, which are also YAML."""
    scores = evaluation.scores
    names = {"accuracy": "Accuracy", "f1": "Macro F1"}
    values = {"accuracy": scores.accuracy, "f1": scores.macro_f1}
    known = {key: value for key, value in values.items() if value is not None}
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
    features, seconds = spec.config.features, spec.window_seconds
    parameters = find_num_parameters(checkpoint, evaluation)
    frames = "log-mel spectrograms" if features.embedder is None else "vectors of an embedder"
    bands = f" in {features.n_mels} mel bands" if features.embedder is None else ""
    return (
        f"A {spec.task.title} audio classifier: {frames} and a network "
        f"({_plain(spec.config.model.name)}) of {parameters:,} parameters. Its input is "
        f"{features.sample_rate:,} Hz mono audio{bands} and windows of "
        f"{seconds:.2f} s; the windows of a longer recording are pooled "
        f"({_plain(spec.config.predict.pooling)}). Decision rule: "
        f"{_plain(describe_rule(evaluation))}.{_describe_teachers(spec.config.train.teachers)}"
        f"{_describe_start(spec.config.train.start_from)}"
        f"{_describe_refit(spec.config.train)}{_describe_embedder(spec)} "
        f"Trained with earmark {__version__}.\n\n"
        f"Labels: {_plain(', '.join(spec.answers))}.{_describe_background(spec)}\n"
    )


def _describe_embedder(spec: ModelSpec) -> str:
    embedder = spec.config.features.embedder
    if embedder is None:
        return ""
    return (
        f" The embedder is {_plain(Path(embedder.file).name)} (licence: "
        f"{_plain(embedder.licence)}; XXH3 digest {embedder.digest}), which gives "
        f"{embedder.dimensions:,} values for each {embedder.window_seconds:g} s and was not "
        "trained further."
    )


def _describe_background(spec: ModelSpec) -> str:
    if spec.background_label is None:
        return ""
    return (
        f" It was also trained on recordings of anything else ({_plain(spec.background_label)}), "
        "for which it predicts no label."
    )


def _describe_teachers(teachers: Sequence[str]) -> str:
    if not teachers:
        return ""
    names = _plain(", ".join(Path(one).name for one in teachers))
    return f" It was trained on the labels and distilled from {names} on the same recordings."


def _describe_start(name: str | None) -> str:
    if name is None:
        return ""
    return f" Its training started from the weights of {_plain(Path(name).name)}."


def _describe_refit(train: TrainConfig) -> str:
    if not train.refit:
        return ""
    return (
        " Its weights were trained on training and validation recordings together; its thresholds "
        "and its temperature are those of a first training with held-out validation."
    )


def _use(checkpoint: Checkpoint) -> str:
    rule = checkpoint.spec.rule
    number = "any number" if checkpoint.spec.task is MULTI_LABEL else "one"
    unsure = f"abstains where no label reaches {rule.min_probability:g}"
    silence = f"silence (below {rule.silence_db:g} dBFS)"
    unlike = "abstains on sound that is unlike all of training"
    doing = [
        f"abstains on {silence}",
        *([unlike] if math.isfinite(rule.max_novelty) else []),
        *([unsure] if rule.min_probability else []),
    ]
    if checkpoint.spec.background_label is not None:
        doing.append("gives background no label")
    if checkpoint.spec.silence_label is not None:
        doing[0] = f"labels {silence} {_plain(checkpoint.spec.silence_label)}"
    return (
        f"To assign {number} of these labels to recordings like those of the test. The model "
        f"{' and '.join(doing)}; it may still label other "
        f"kinds of sound. Other uses, and uses to avoid: {UNKNOWN.lower()}\n"
    )


def _training_data(run: Path | None) -> str:
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
    return "".join(lines) + f"\nSources and speakers: {UNKNOWN.lower()}\n"


def _count_recordings(run: Path) -> dict[str, Counter[str]]:
    """Recordings by split and label; none when the table of the run cannot be read."""
    try:
        rows = [row for row in RunFolder(run).read_recordings() if row["key"]]
        return {
            name: Counter(row["label"] for row in rows if row["split"] == split)
            for name, split in (("training", "train"), ("validation", "validation"))
        }
    except (EarmarkError, OSError, LookupError, ValueError):
        return {}


def _test_data(evaluation: Evaluation, origin: Origin) -> str:
    scores = evaluation.scores
    skipped = len(evaluation.skipped)
    failed = f" {skipped} more could not be read." if skipped else ""
    return (
        f"{scores.num_clips} recordings from {scores.num_groups} groups of "
        f"{_plain(_data_name(origin))} "
        f"({origin.split}).{failed}\n"
    )


def _data_name(origin: Origin) -> str:
    """The name of the folder of the data, or of a table that is not called ``manifest``."""
    path = Path(origin.data).resolve()
    return path.parent.name if path.stem == "manifest" else path.name


def _metrics(evaluation: Evaluation) -> str:
    scores = evaluation.scores
    low, high = scores.accuracy_interval
    level = f"{evaluation.settings.confidence:.0%}"
    rows = [
        ("accuracy", f"{scores.accuracy:.1%} ({scores.num_correct} of {scores.num_clips})"),
        (f"{level} confidence interval (Wilson)", f"{low:.1%} to {high:.1%}"),
        ("log-loss", f"{scores.loss:.4f} nats"),
        ("macro F1", format_ratio(scores.macro_f1)),
        ("ROC AUC", format_ratio(scores.roc_auc)),
    ]
    if scores.ranks:
        rows.append(("mean average precision", format_ratio(scores.ranks.mean_average_precision)))
    classical = evaluation.classical
    if classical and classical.paired:
        accuracy, p_value = classical.paired.accuracies[1], classical.paired.test.p_value
        name = f"accuracy of a classical baseline ({CLASSICAL_NAME})"
        rows.append((name, f"{accuracy:.1%} (McNemar p {p_value:.2g})"))
    table = _table(("metric", "value"), rows)
    by_label = _table(
        ("label", "precision", "recall", "F1", "recordings"),
        [
            (
                label,
                *(format_ratio(one[key]) for key in ("precision", "recall", "f1")),
                one["num_clips"],
            )
            for label, one in scores.per_class.items()
        ],
    )
    return f"{table}\n{by_label}"


def _limits(evaluation: Evaluation, analysis: Analysis | None) -> str:
    low, high = evaluation.scores.accuracy_interval
    lines = [
        f"{evaluation.settings.confidence:.0%} confidence interval of the accuracy on such data: "
        f"{low:.1%} to {high:.1%}. The accuracy on other data is unknown."
    ]
    slices = analysis.slices if analysis else ()
    below = find_worse(slices, evaluation.scores.accuracy)
    lines += [f"Lower accuracy on {_slice(one)}." for one in below[:MAX_SLICES]]
    if analysis and analysis.robustness:
        lines += [
            f"{one.condition}: accuracy {one.accuracy:.1%} ({one.num_correct} of {one.num_clips})."
            for one in analysis.robustness.conditions
        ]
    else:
        lines.append("Robustness to telephone bandwidth, lossy codecs and noise was not measured.")
    lines.append(f"Fairness, and the cost of errors: {UNKNOWN.lower()}")
    return "".join(f"- {line}\n" for line in lines)


def _slice(one: Slice) -> str:
    low, high = one.accuracy_interval
    return (
        f"{_plain(f'{one.column} {one.value}')}: {one.accuracy:.1%} ({low:.1%} to {high:.1%}) on "
        f"{one.num_clips} recordings"
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(_plain(str(cell)) for cell in line)} |\n" for line in lines)


def _plain(text: str) -> str:
    """Text escaped for Markdown, on one line and in one table cell."""
    marks = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]<>|#"})
    return " ".join(_unicode(text).split()).translate(marks)


def _quote(text: str) -> str:
    # YAML does not join the surrogate pairs of JSON escapes.
    return json.dumps(_unicode(text), ensure_ascii=False)


def _unicode(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()
