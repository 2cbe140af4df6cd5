"""Export to a folder of static files: the page, the model and the runtime that runs it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from earmark.errors import ConfigError
from earmark.exporters.onnx import Exported, export_onnx
from earmark.exporters.original import LICENCE, open_original, read_metadata
from earmark.exporters.targets import ExportOptions
from earmark.exporters.web.description import describe_for_page
from earmark.exporters.web.runtime import find_runtime
from earmark.models.pretrained import find_model
from earmark.system.files import atomic_write
from earmark.system.web.pages import page_files

PACKAGE = "earmark.exporters.web"
"""Has the page."""
INDEX, MODEL, FACTS, CARD = "index.html", "model.onnx", "model.json", "model_card.md"
_CARDS = (CARD, "README.md")
"""Names of a model card beside a model, in the order in which they are preferred."""


@dataclass(frozen=True, repr=False)
class ExportedPage:
    """A page that was written.

    Args:
        path: Its folder.
        num_files: Files in it.
        num_bytes: Their size together.
        model: The exported model in it.
    """

    path: Path
    num_files: int
    num_bytes: int
    model: Exported

    def to_dict(self) -> dict[str, Any]:
        """The document that ``export --json`` prints."""
        return {
            "path": str(self.path),
            "num_files": self.num_files,
            "num_bytes": self.num_bytes,
            "model": self.model.to_dict(),
        }

    def __repr__(self) -> str:
        return (
            f"{self.path}: a page of {self.num_files} files, {self.num_bytes:,} bytes; open "
            f"{INDEX} from a web server, such as python -m http.server -d {self.path}"
        )


def export_web(model: Path | str, output: Path, options: ExportOptions) -> ExportedPage:
    """Exports a model to a folder that any static web server serves.

    The page predicts files and the microphone in the browser, and uploads nothing. An earlier
    page in the folder is replaced if its model has the same weights.

    Args:
        model: As for `earmark.exporters.targets.export`.
        output: The folder.
        options: ``runtime`` is that of `find_runtime`.

    Raises:
        CheckpointError: The model cannot be opened.
        ConfigError: The output is a file, or a folder with something else in it.
        ExportError: The outputs differ, or the runtime cannot be found; nothing is written.
    """
    path = find_model(model)
    open_original(path).require_log_mel("web")
    if not options.get("overwrite"):
        _refuse_other_folder(output)
    runtime = find_runtime(options.get("runtime"))
    own: ExportOptions = {"takes": "log-mel", "overwrite": options.get("overwrite", False)}
    if "licence" in options:
        own["licence"] = options["licence"]
    exported = export_onnx(model, output / MODEL, own)
    name = path.stem if path.is_file() else path.resolve().name
    content = {
        **{f"runtime/{name}": one for name, one in runtime.items()},
        **page_files(PACKAGE),
        FACTS: _facts(exported, name),
        CARD: find_card(path).encode(),
    }
    # The page itself last: a folder that has one is whole.
    for name in sorted(content, key=lambda one: one == INDEX):
        atomic_write(output / name, content[name])
    sizes = [*map(len, content.values()), exported.num_bytes]
    return ExportedPage(output, len(sizes), sum(sizes), exported)


def find_card(model: Path) -> str:
    """The text of the model card beside a model; empty if there is none.

    Args:
        model: A run folder, or a file of a model.
    """
    folder = model if model.is_dir() else model.parent
    for name in _CARDS:
        card = folder / name
        # A README beside a lone file may be of anything.
        if card.is_file() and "model card" in (text := card.read_text(encoding="utf-8")).lower():
            return text
        if name == CARD and card.is_file():
            return card.read_text(encoding="utf-8")
    return ""


def _facts(exported: Exported, name: str) -> bytes:
    licence = read_metadata(onnx.load(exported.path))[LICENCE]
    facts = describe_for_page(exported.spec, name=name, licence=licence)
    return json.dumps(facts, indent=1, ensure_ascii=False).encode()


def _refuse_other_folder(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise ConfigError(f"{output}: is a file; give the folder to write the page to")
    if output.is_dir() and any(output.iterdir()) and not _holds_page(output):
        raise ConfigError(
            f"{output}: holds other files; choose another folder, or add the page to it with "
            "--overwrite"
        )


def _holds_page(folder: Path) -> bool:
    # Others call their files model.json, too.
    try:
        facts = json.loads((folder / FACTS).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(facts, dict) and "page_format" in facts
