"""The page as one HTML file, with sound and pictures inside, and the answers that it hands back."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.errors import AudioError, DataError
from earmark.labelling.review.answers import Answer, parse_answer
from earmark.labelling.review.page_data import describe_queue
from earmark.labelling.review.queue import Queue, QueueItem
from earmark.labelling.review.sound import Sounds, first_span
from earmark.labelling.review.states import States
from earmark.system.files import atomic_open, read_text
from earmark.system.progress import SILENT, Reporter
from earmark.system.web.pages import page_files

FORMAT = "earmark answers 1"
SCRIPTS = (
    *("shared/elements.js", "shared/spectrogram.js", "text.js", "player.js", "picture.js"),
    *(
        "list.js",
        "labels.js",
        "http_backend.js",
        "static_backend.js",
        "similar.js",
        "review.js",
        "app.js",
    ),
)
"""In the order in which one needs another."""
STYLES = ("shared/base.css", "style.css")
_IMPORT = re.compile(r'^import [^;]*? from "[^"]+";\n', re.M)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let) )", re.M)


@dataclass(frozen=True)
class StaticOptions:
    """What a page from disk holds.

    Args:
        max_clips: Most clips; the first of the queue.
        context_seconds: What is shown before and after a clip.
        are_decoded_before: Whether all files have been decoded before, so that this process can do
            it: no file ends it.
    """

    max_clips: int
    context_seconds: float = 3.0
    are_decoded_before: bool = False


@dataclass(frozen=True)
class StaticPage:
    """A page that was written.

    Args:
        path: The file.
        num_clips: Clips in it.
        num_failed: Those of them that show an error instead of their sound.
        num_left_out: Clips of the queue that are not in it.
    """

    path: Path
    num_clips: int
    num_failed: int
    num_left_out: int


def write_static_page(
    path: Path,
    queue: Queue,
    states: States,
    options: StaticOptions,
    *,
    reporter: Reporter = SILENT,
) -> StaticPage:
    """Writes the page with the first clips of a queue.

    Args:
        path: The file to write.
        queue: The clips.
        states: The answers so far.
        options: What it holds.
        reporter: Shows progress.

    Raises:
        OSError: The file cannot be written.
    """
    items = queue.items[: options.max_clips]
    # Where the files lie is nobody's business but the author's.
    document = {**describe_queue(queue, states, items), "title": Path(queue.title).name}
    head, tail = _frame(document)
    num_failed, is_isolated = 0, not options.are_decoded_before
    with (
        atomic_open(path) as file,
        Sounds("mp3", is_isolated=is_isolated) as sounds,
    ):
        file.write(head.encode())
        with reporter.track("Clips", len(items)) as task:
            for number, item in enumerate(items):
                view = _view(sounds, item, options.context_seconds)
                num_failed += "error" in view
                file.write((b",\n" if number else b"") + _json([item.key, view]).encode())
                task.advance()
        file.write(tail.encode())
    return StaticPage(path, len(items), num_failed, len(queue.items) - len(items))


def _view(sounds: Sounds, item: QueueItem, context_seconds: float) -> dict[str, Any]:
    one = item.recording
    try:
        view = sounds.view(one.path, one.excerpt, first_span(one.excerpt, context_seconds))
    except AudioError as error:
        return {"error": str(error).replace(str(one.path), one.name)}
    sound = base64.b64encode(view.sound).decode()
    return {**view.to_dict(), "sound": f"data:{view.media_type};base64,{sound}"}


def _frame(document: dict[str, Any]) -> tuple[str, str]:
    """The page before and after the views of its clips."""
    files = {name: one.decode() for name, one in page_files("earmark.labelling.review").items()}
    style = "\n".join(files[name] for name in STYLES)
    script = "".join(_inlined(files[name]) for name in SCRIPTS)
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "img-src data:; media-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    page = re.sub(
        r'(<meta http-equiv="Content-Security-Policy" content=")[^"]*',
        rf"\g<1>{policy}",
        files["index.html"],
    )
    page = re.sub(r'<link rel="stylesheet"[^>]*>\n', "", page)
    page = re.sub(r'<script type="module"[^>]*></script>\n', "", page)
    page = page.replace("</head>", f"<style>{style}</style>\n</head>")
    data = f'<script type="application/json" id="queue">{_json(document)}</script>\n'
    head, tail = page.split("</body>")
    views = '<script type="application/json" id="views">['
    code = f'<script type="module">{script}</script>\n'
    return f"{head}{data}{views}", f"]</script>\n{code}</body>{tail}"


def _inlined(script: str) -> str:
    """A module as part of one script; names differ among all modules of the page."""
    return _EXPORT.sub("", _IMPORT.sub("", script))


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _json(document: Any) -> str:
    """JSON that cannot end the element that it is in."""
    return json.dumps(document, allow_nan=False).replace("<", "\\u003c")


def read_answers(path: Path) -> list[Answer]:
    """Reads what a static page hands back.

    Args:
        path: The file that was downloaded.

    Raises:
        DataError: It is not such a file.
    """
    try:
        document = json.loads(read_text(path))
        if document["format"] != FORMAT:
            raise ValueError(document["format"])
        answers: Sequence[Any] = list(document["answers"])
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (ValueError, LookupError, TypeError):
        raise DataError(f"{path}: not the answers that a review page hands back") from None
    return list(_parsed(path, answers))


def _parsed(path: Path, answers: Sequence[Any]) -> Iterator[Answer]:
    for number, one in enumerate(answers, start=1):
        try:
            yield parse_answer(json.dumps(one))
        except DataError as error:
            raise DataError(f"{path}, answer {number}: {error}") from None
