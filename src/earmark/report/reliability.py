"""The sections of the report on baselines, calibration and abstention."""

import math

from markupsafe import Markup

from earmark.evaluation.baselines import CLASSICAL_NAME
from earmark.evaluation.metrics.novelty import NoveltyScores
from earmark.evaluation.metrics.significance import PairedDifference
from earmark.evaluation.result import Evaluation
from earmark.report.html import DASH, Table, make_picture, render, show_interval, show_percent
from earmark.report.plots import draw_coverage, draw_novelty, draw_reliability
from earmark.tasks.false_alarms import MIN_SCORES


def render_comparisons(evaluation: Evaluation) -> Markup:
    """The model against the most common label, a classical model and stored predictions."""
    majority = evaluation.majority
    label = " and ".join(majority.labels) or "no label"
    source = "training data" if majority.is_from_training else "test data"
    rows = [_compare(f"always {label} (most common in {source})", majority.paired)]
    classical = evaluation.classical
    if classical and classical.paired:
        rows.append(_compare(f"classical baseline: {CLASSICAL_NAME}", classical.paired))
    if evaluation.baseline:
        rows.append(_compare(str(evaluation.baseline.path), evaluation.baseline.paired))
    level = f"{evaluation.settings.confidence:.0%}"
    columns = (
        *("compared with", "clips", "this model", "baseline", "difference"),
        *(f"{level} interval", "McNemar p"),
    )
    return render(
        "comparisons.html",
        table=Table(columns, rows),
        level=level,
        classical=classical.headline if classical else "",
    )


def _compare(name: str, paired: PairedDifference) -> tuple[object, ...]:
    model, baseline = (show_percent(count / paired.num_clips) for count in paired.num_correct)
    return (
        *(name, paired.num_clips, model, baseline, f"{paired.difference:+.1%}"),
        *(show_interval(paired.interval, "+.1%"), f"{paired.test.p_value:.2g}"),
    )


def render_calibration(evaluation: Evaluation) -> Markup:
    """How well probabilities match observed frequencies, before and after the temperature."""
    before, after = evaluation.calibrations
    temperature = evaluation.rule.temperature
    found = {"network": before} if temperature == 1.0 else {"network": before, "calibrated": after}
    rows = [
        (name, f"{one.loss:.4f}", f"{one.brier:.4f}", f"{one.ece:.4f}")
        for name, one in found.items()
    ]
    return render(
        "calibration.html",
        temperature=temperature,
        table=Table(("probabilities", "log-loss", "Brier score", "ECE"), rows),
        picture=make_picture(
            draw_reliability({name: one.bins for name, one in found.items()}),
            "Reliability diagram: calibrated probabilities lie on the dotted line; larger points "
            "hold more predictions.",
        ),
    )


def render_novelty(novelty: NoveltyScores) -> Markup:
    """How unlike the sound of training the clips are, and which labels such scores separate."""
    rows = [
        (label, DASH if area is None else f"{area:.3f}")
        for label, area in novelty.separation.items()
    ]
    has_threshold = math.isfinite(novelty.threshold)
    line = "; the model abstains to the right of the dashed line" if has_threshold else ""
    return render(
        "novelty.html",
        novelty=novelty,
        num_clips=len(novelty.scores),
        has_threshold=has_threshold,
        min_scores=MIN_SCORES,
        picture=make_picture(
            draw_novelty(novelty.scores, novelty.threshold), f"Scores of the test clips{line}."
        ),
        table=Table(("label left out", "AUROC"), rows),
    )


def render_coverage(evaluation: Evaluation) -> Markup:
    """On how many clips the model abstained, and what abstaining on more would bring."""
    coverage = evaluation.coverage
    return render(
        "coverage.html",
        coverage=coverage,
        num_abstained=coverage.num_clips - coverage.num_decided,
        rule=evaluation.rule,
        picture=make_picture(
            draw_coverage(coverage.curve),
            "Accuracy over coverage, the most confident clips first; area under the curve "
            f"{coverage.curve.area:.3f}.",
        ),
    )
