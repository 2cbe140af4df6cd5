"""The sections of the report on how far to trust: probabilities, abstaining, comparisons."""

from earmark.evaluation.metrics.significance import PairedDifference
from earmark.evaluation.result import Evaluation
from earmark.report.html import html_figure, html_table
from earmark.report.plots import draw_coverage, draw_reliability
from earmark.report.words import show_interval


def render_calibration(evaluation: Evaluation) -> str:
    """How far probabilities can be taken at their word, before and after the temperature."""
    before, after = evaluation.calibrations
    temperature = evaluation.rule.temperature
    found = {"of the network": before, "calibrated": after}
    words = f"Logits are divided by {temperature:.3g}, the temperature that validation data chose."
    if temperature == 1.0:
        found = {"of the network": before}
        words = "The temperature is 1: the probabilities are those of the network."
    rows = [
        (name, f"{one.loss:.4f}", f"{one.brier:.4f}", f"{one.ece:.4f}")
        for name, one in found.items()
    ]
    return (
        f"<p>{words} Of judgements said to be 80% probable, 80% should come true: the error is the "
        "mean distance from that.</p>"
        + html_table(("probabilities", "log-loss", "Brier score", "calibration error"), rows)
        + html_figure(
            draw_reliability({name: one.bins for name, one in found.items()}),
            "Reliability: on the dotted line probabilities are right; larger points are of more "
            "judgements.",
        )
    )


def render_coverage(evaluation: Evaluation) -> str:
    """What is left without a decision, and what leaving more would bring."""
    coverage, rule = evaluation.coverage, evaluation.rule
    abstained = coverage.num_clips - coverage.num_decided
    words = (
        f"{abstained} of {coverage.num_clips} clips have no decision: {coverage.num_silent} are "
        f"silence (below {rule.silence_db:g} dBFS), {coverage.num_unsure} unsure (below a "
        f"probability of {rule.min_probability:g}). Of the {coverage.num_decided} others "
        f"{coverage.num_correct} are right."
        if abstained
        else "Every clip has a decision."
    )
    return (
        f"<p>{words} If only the surest clips were decided, the accuracy would be that of the "
        "curve.</p>"
        + html_figure(
            draw_coverage(coverage.curve),
            f"Accuracy over coverage; the area under it is {coverage.curve.area:.3f}.",
        )
    )


def render_comparisons(evaluation: Evaluation) -> str:
    """The model against the commonest label, and against stored predictions."""
    majority = evaluation.majority
    given = " and ".join(majority.labels) or "no label"
    source = "training" if majority.is_from_training else "this test"
    rows = [_compared(f"always {given} (commonest in {source})", majority.paired)]
    if evaluation.baseline:
        rows.append(_compared(str(evaluation.baseline.path), evaluation.baseline.paired))
    columns = ("against", "clips", "this", "that", "difference", "interval", "McNemar p")
    return (
        "<p>Both judged the same clips; <i>this</i> and <i>that</i> are accuracies. The interval "
        "is of the difference, over groups. McNemar's exact test takes clips as independent.</p>"
        + html_table(columns, rows)
    )


def _compared(name: str, paired: PairedDifference) -> tuple[object, ...]:
    this, that = (f"{count / paired.num_clips:.1%}" for count in paired.num_correct)
    return (
        *(name, paired.num_clips, this, that, f"{paired.difference:+.1%}"),
        *(show_interval(paired.interval, "+.1%"), f"{paired.test.p_value:.2g}"),
    )


def render_provenance(evaluation: Evaluation) -> str:
    """What the figures were measured with."""
    facts = evaluation.provenance
    if facts is None:
        return ""
    rows = [
        ("multiply-adds a window", f"{facts.num_multiply_adds:,}"),
        ("length of a window", f"{facts.window_seconds:.3f} s"),
        ("time a window, front end and network", f"{1000 * facts.latency_seconds:.2f} ms"),
        ("device", facts.device),
        ("seed of the training", facts.seed),
        ("digest of the weights", facts.weights_digest),
        ("digest of the settings", facts.config_digest),
        ("digest of the test clips", facts.data_digest),
        ("earmark", facts.earmark_version),
    ]
    return html_table(("fact", "value"), rows)
