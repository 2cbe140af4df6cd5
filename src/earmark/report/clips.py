"""The sections of the report on single clips: examples, errors and skipped files."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from markupsafe import Markup

from earmark.config import FeatureConfig
from earmark.errors import FailedFile
from earmark.evaluation.analysis.attribution import sum_tiles
from earmark.evaluation.analysis.examples import Example, RankedClip
from earmark.report.html import DASH, Linked, Picture, Table, data_address, make_picture, render
from earmark.report.plots import draw_example
from earmark.report.review import ReviewLinks

TILE_SECONDS = 0.1
NUM_TILE_ROWS = 10
MAX_ROWS = 200


@dataclass(frozen=True)
class Card:
    """What the report shows of an example.

    Args:
        name: Of the clip.
        is_correct: Whether the prediction is.
        label: Its labels.
        predicted: What the model predicted, or that it abstained.
        probability: Of the prediction.
        loss: Log-loss in nats.
        excerpt: Which part of the clip the picture and the player are of.
        audio: The excerpt as a ``data:`` address; None where it cannot be decoded.
        error: Why it cannot.
        picture: The network's input and its attribution.
    """

    name: str
    is_correct: bool
    label: str
    predicted: str
    probability: str
    loss: str
    excerpt: str
    audio: str | None
    error: str
    picture: Picture


def render_examples(
    worst: Sequence[Example], most_confident: Sequence[Example], config: FeatureConfig
) -> Markup:
    """Examples with pictures and players.

    Args:
        worst: Clips with the highest loss.
        most_confident: The most confident correct clips.
        config: The front end.
    """
    rows = (("Highest loss", worst), ("Most confident and correct", most_confident))
    cards = [(title, [_card(one, config) for one in examples]) for title, examples in rows]
    return render("examples.html", rows=cards)


def _card(example: Example, config: FeatureConfig) -> Card:
    clip = example.clip
    excerpt = _describe_excerpt(example, config)
    return Card(
        name=clip.name,
        is_correct=clip.correct,
        label=clip.label or "none",
        predicted=f"abstained ({clip.abstained})"
        if clip.abstained
        else f"predicted {clip.predicted or 'none'}",
        probability=f"{clip.probability:.3f}",
        loss=f"{clip.loss:.3f}",
        excerpt=excerpt,
        audio=None if example.sound is None else data_address(example.sound, "audio/mpeg"),
        error=example.error,
        picture=_draw(example, config, excerpt),
    )


def _describe_excerpt(example: Example, config: FeatureConfig) -> str:
    seconds = len(example.frames) * config.hop_length / config.sample_rate
    start, duration = example.start_seconds, example.duration_seconds
    end = min(start + seconds, duration)
    if end - start < duration - 0.1:
        return f"{start:.1f} to {end:.1f} s of {duration:.1f} s"
    return f"all {duration:.1f} s"


def _draw(example: Example, config: FeatureConfig, excerpt: str) -> Picture:
    frames = max(1, round(TILE_SECONDS * config.sample_rate / config.hop_length))
    bands = -(-config.n_mels // NUM_TILE_ROWS)
    tiles = sum_tiles(torch.from_numpy(example.attributions), bands, frames).numpy()
    return make_picture(
        draw_example(example.frames, tiles, config, example.start_seconds),
        f"Score for {example.question}: {example.score:+.2f} (blank input: "
        f"{example.baseline_score:+.2f}); {excerpt}.",
        f"Log-mel spectrogram of {example.clip.name} and its attribution for {example.question}.",
    )


def render_errors(ranked: Sequence[RankedClip], links: ReviewLinks | None = None) -> Markup:
    """The wrong predictions, at most `MAX_ROWS` of them.

    Args:
        ranked: All clips, the highest loss first.
        links: To those that can be listened to and corrected.
    """
    wrong = [one for one in ranked if not one.correct]
    rows = [
        (
            _linked(one.name, links),
            one.label or DASH,
            one.predicted or (f"abstained ({one.abstained})" if one.abstained else DASH),
            f"{one.probability:.3f}",
            f"{one.loss:.3f}",
        )
        for one in wrong[:MAX_ROWS]
    ]
    table = Table(("clip", "label", "predicted", "probability", "log-loss"), rows)
    return render("errors.html", table=table, num_more=len(wrong) - len(rows), links=links)


def _linked(name: str, links: ReviewLinks | None) -> str | Linked:
    address = links.to_clip(name) if links else None
    return name if address is None else Linked(name, address)


def render_skipped(skipped: Sequence[FailedFile]) -> Markup:
    """The files that could not be read, and why."""
    rows = [(str(one.path), one.error) for one in skipped[:MAX_ROWS]]
    table = Table(("clip", "reason"), rows)
    return render("table.html", table=table, num_more=len(skipped) - len(rows))
