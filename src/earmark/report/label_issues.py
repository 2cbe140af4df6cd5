"""The section of the audit on labels that are probably wrong: players of the first, a table."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from earmark.audio.player import encode_for_player
from earmark.audit.findings import LabelIssue
from earmark.errors import AudioError
from earmark.report.html import DASH, Table, data_address, render
from earmark.report.review import ReviewLinks

MAX_PLAYERS = 30
MAX_ROWS = 500


@dataclass(frozen=True)
class Card:
    """What the page shows of a clip.

    Args:
        name: Of the clip.
        label: Its labels.
        predicted: The labels that it probably has.
        probability: Of them.
        audio: Its first seconds as a ``data:`` address; None where it cannot be decoded.
        error: Why it cannot.
        address: Where its label is corrected, if it is there.
    """

    name: str
    label: str
    predicted: str
    probability: str
    audio: str | None
    error: str = ""
    address: str | None = None


def render_label_issues(issues: Sequence[LabelIssue], links: ReviewLinks | None = None) -> Markup:
    """Labels that are probably wrong: the first with players, the others in a table.

    Args:
        issues: The most probable first.
        links: To the clips on a page on which labels are corrected.
    """
    others = issues[MAX_PLAYERS : MAX_PLAYERS + MAX_ROWS]
    rows = [
        (one.recording.name, one.label or DASH, one.predicted or DASH, f"{one.probability:.3f}")
        for one in others
    ]
    return render(
        "label_issues.html",
        cards=[_card(one, links) for one in issues[:MAX_PLAYERS]],
        others=Table(("clip", "label", "predicted", "probability"), rows),
        num_more=max(0, len(issues) - MAX_PLAYERS - MAX_ROWS),
    )


def _card(issue: LabelIssue, links: ReviewLinks | None) -> Card:
    recording, sound, error = issue.recording, None, ""
    try:
        excerpt = recording.excerpt
        sound = encode_for_player(recording.path, excerpt.start, excerpt.end)
    except AudioError as failed:
        error = str(failed)
    return Card(
        name=recording.name,
        label=issue.label or "none",
        predicted=issue.predicted or "none",
        probability=f"{issue.probability:.3f}",
        audio=None if sound is None else data_address(sound, "audio/mpeg"),
        error=error,
        address=links.to_clip(recording.name) if links else None,
    )
