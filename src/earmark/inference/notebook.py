"""Predictions in a notebook: a player, and a time line or bars, as plain HTML without scripts."""

import base64
from collections.abc import Sequence
from html import escape

from earmark.inference.predictions import Prediction
from earmark.inference.segmentation.formats import Timeline

MAX_PLAYER_BYTES = 2_000_000
"""Size of the largest file that is put into the page whole; larger ones have no player."""
_MEDIA_TYPES = {
    **{".wav": "wav", ".mp3": "mpeg", ".flac": "flac", ".ogg": "ogg", ".oga": "ogg"},
    **{".opus": "ogg", ".m4a": "mp4", ".aac": "aac", ".webm": "webm"},
}
"""What browsers play: file extension to media type."""
_COLOURS = (
    *("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#999999", "#f0e442"),
)
"""Okabe and Ito (2008), Color universal design: distinct for people who are colour-blind, too."""


def label_colours(labels: Sequence[str]) -> dict[str, str]:
    """A colour for each label, the same in every picture of a model.

    Args:
        labels: The vocabulary.
    """
    return {label: _COLOURS[index % len(_COLOURS)] for index, label in enumerate(labels)}


def prediction_html(prediction: Prediction) -> str:
    """A prediction as HTML: name and label, a player, and a time line or bars of probabilities."""
    label = prediction.label
    outcome = _text(label or "no label") if label is not None else f"({prediction.abstained})"
    picture = _bars(prediction) if prediction.segments is None else _timeline(prediction)
    return (
        f"<div><code>{_text(str(prediction.path))}</code>: <b>{outcome}</b>, "
        f"{prediction.duration_seconds:.1f} s<br>{_player(prediction)}{picture}</div>"
    )


def _player(prediction: Prediction) -> str:
    media_type = _MEDIA_TYPES.get(prediction.path.suffix.lower())
    try:
        if media_type is None or prediction.path.stat().st_size > MAX_PLAYER_BYTES:
            return ""
        content = base64.b64encode(prediction.path.read_bytes()).decode()
    except OSError:
        # The file may have been moved since.
        return ""
    return f'<audio controls src="data:audio/{media_type};base64,{content}"></audio><br>'


def _bars(prediction: Prediction) -> str:
    colours = label_colours(tuple(prediction.probabilities))
    rows = [
        f"<tr><td>{_text(label)}</td><td>{probability:.3f}</td><td>"
        f'<div style="background:{colours[label]};height:0.8em;width:{200 * probability:.0f}px">'
        "</div></td></tr>"
        for label, probability in prediction.probabilities.items()
    ]
    return f"<table>{''.join(rows)}</table>"


def _timeline(prediction: Prediction) -> str:
    colours = label_colours(prediction.answers)
    lanes = Timeline.from_prediction(prediction).by_lane()
    scale = 100.0 / max(prediction.duration_seconds, 1e-3)
    marks = [
        f'<rect x="{one.start * scale:.3f}%" width="{(one.end - one.start) * scale:.3f}%" '
        f'y="{20 * lane}" height="18" fill="{colours[one.label]}"><title>{_text(one.label)} '
        f"{one.start:.2f} to {one.end:.2f} s, {one.probability:.3f}</title></rect>"
        for lane, segments in enumerate(lanes.values())
        for one in segments
    ]
    legend = "".join(
        f'<span style="color:{colour}">&#9632;</span> {_text(label)} '
        for label, colour in colours.items()
    )
    return f'<svg width="100%" height="{20 * len(lanes)}">{"".join(marks)}</svg><br>{legend}'


def _text(text: str) -> str:
    """Escaped, also where a file name is not Unicode."""
    return escape(text.encode(errors="backslashreplace").decode())
