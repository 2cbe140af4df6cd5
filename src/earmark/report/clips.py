"""The sections of the report on single clips: to look at, to listen to, to find."""

from collections.abc import Sequence
from html import escape

import torch

from earmark.config import FeatureConfig
from earmark.errors import FailedFile
from earmark.evaluation.analysis.attribution import sum_tiles
from earmark.evaluation.analysis.examples import Example, RankedClip
from earmark.report.example_plot import draw_example
from earmark.report.html import html_figure, html_player, html_table

TILE_SECONDS = 0.1
NUM_TILE_ROWS = 10
MOST_ROWS = 200


def render_examples(
    worst: Sequence[Example], surest: Sequence[Example], config: FeatureConfig
) -> str:
    """Clips with pictures and players.

    Args:
        worst: Those with the largest loss.
        surest: Those that were surely right.
        config: The front end.
    """
    return "".join(
        (
            "<p>The upper picture of a clip is what the network sees. The lower one shows what in "
            "it decided: orange tiles spoke for what was chosen, blue ones against it, each by its "
            "share of the score (integrated gradients). The score is a difference of log-odds. It "
            "is compared with that of a blank window, in which every band has its mean over the "
            "training data.</p>",
            "<h3>Largest loss, right or wrong</h3>",
            _cards(worst, config),
            "<h3>Surely right</h3>" if surest else "",
            _cards(surest, config),
        )
    )


def _cards(examples: Sequence[Example], config: FeatureConfig) -> str:
    return f'<div class="clips">{"".join(_card(one, config) for one in examples)}</div>'


def _card(example: Example, config: FeatureConfig) -> str:
    judged = example.judged
    seconds = len(example.frames) * config.hop_length / config.sample_rate
    end = min(example.start_seconds + seconds, example.duration_seconds)
    place = (
        f"{example.start_seconds:.1f} to {end:.1f} s of {example.duration_seconds:.1f} s"
        if end - example.start_seconds < example.duration_seconds - 0.1
        else f"all of its {example.duration_seconds:.1f} s"
    )
    verdict = "right" if judged.is_right else "wrong"
    said = (
        f"no decision ({judged.abstained})"
        if judged.abstained
        else f"predicted {judged.predicted or 'none'}"
    )
    caption = f"{place[0].upper()}{place[1:]}. Score for {example.question}: {example.score:+.2f}"
    frames = max(1, round(TILE_SECONDS * config.sample_rate / config.hop_length))
    tiles = sum_tiles(
        torch.from_numpy(example.shares), -(-config.n_mels // NUM_TILE_ROWS), frames
    ).numpy()
    figure = html_figure(
        draw_example(example.frames, tiles, config, example.start_seconds),
        f"{caption}, of a blank window {example.blank_score:+.2f}.",
        f"Log-mel values of {judged.name}, and what in them spoke for {example.question}.",
    )
    return (
        f'<article class="clip"><h4>{escape(judged.name)}</h4>'
        f"<p>{verdict}: label {escape(judged.label or 'none')}, {escape(said)} with "
        f"{judged.probability:.3f}; log-loss {judged.loss:.3f}</p>"
        f"{_player(example, place)}{figure}</article>"
    )


def _player(example: Example, place: str) -> str:
    if example.sound is None:
        return f'<p class="quiet">Not to be heard: {escape(example.error)}</p>'
    return html_player(example.sound, f"{example.judged.name}, {place}")


def render_errors(ranked: Sequence[RankedClip]) -> str:
    """Every clip that was judged wrongly, the largest loss first; of very many the first ones."""
    wrong = [one for one in ranked if not one.is_right]
    if not wrong:
        return "<p>None.</p>"
    rows = [
        (
            one.name,
            one.label,
            one.predicted or one.abstained or "–",
            f"{one.probability:.3f}",
            f"{one.loss:.3f}",
        )
        for one in wrong[:MOST_ROWS]
    ]
    table = html_table(("clip", "label", "predicted", "probability", "log-loss"), rows)
    return table + _more(len(wrong))


def _more(count: int) -> str:
    if count <= MOST_ROWS:
        return ""
    return f"<p>And {count - MOST_ROWS:,} more; predictions.csv holds every clip.</p>"


def render_skipped(skipped: Sequence[FailedFile]) -> str:
    """What could not be judged, and why."""
    table = html_table(("clip", "why"), [(str(one.path), one.error) for one in skipped[:MOST_ROWS]])
    return table + _more(len(skipped))
