"""Predicts many files for `earmark predict`: prints results, writes tables and files."""

import dataclasses
import errno
import itertools
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.cli.explanations import Explanations
from earmark.cli.shown_results import ShownResults
from earmark.cli.terminal import print_line
from earmark.errors import ConfigError
from earmark.system.numbers import counted

if TYPE_CHECKING:
    from earmark.errors import FailedFile
    from earmark.inference.classifier import Classifier
    from earmark.inference.predictions import Prediction
    from earmark.inference.result_table import ResultTable
    from earmark.inference.segmentation.cutting import RecordingFolders
    from earmark.system.progress import Reporter

    Result = Prediction | FailedFile

logger = logging.getLogger(__name__)

COUNTED_FILES = 10_000
"""Most files that are counted before work starts, so that the bar can show the time left."""
STANDARD_INPUT = Path("-")


@dataclass(frozen=True)
class Request:
    """What is output for each file besides its label.

    Args:
        model: As the user named it.
        segments: Whether segments are part of the results.
        segments_to: Folder for time lines.
        formats: Of the time lines.
        split_to: Folder for the sound of the segments.
        output: Table of the results.
        resume: Whether to resume this table.
        overwrite: Whether to replace what is there.
        folders: Names of the recordings' folders below ``split_to``.
    """

    model: Path
    segments: bool = False
    segments_to: Path | None = None
    formats: tuple[str, ...] = ()
    split_to: Path | None = None
    output: Path | None = None
    resume: bool = False
    overwrite: bool = False
    folders: "RecordingFolders | None" = None

    @property
    def needs_segments(self) -> bool:
        """Whether segments are needed at all."""
        return self.segments or bool(self.segments_to) or bool(self.split_to)

    def check(self) -> None:
        """Checks that options fit each other.

        Raises:
            ConfigError: They do not.
        """
        if self.resume and self.output is None:
            raise ConfigError("--resume: needs --output, the table to resume")
        if self.overwrite and (self.resume or self.output is None):
            raise ConfigError(
                "--overwrite: replaces the table of --output, which --resume adds to; give "
                "--output, and one of the two"
            )
        if self.formats and self.segments_to is None:
            raise ConfigError("--segments-format: needs --segments-to, the folder for time lines")
        if {"png", "svg"} & set(self.formats):
            # Before any output: the plots come last.
            import matplotlib  # noqa: F401
        if self.output is not None:
            from earmark.inference.result_formats import result_format

            if not result_format(self.output).holds_segments and self.segments:
                raise ConfigError(
                    f"{self.output}: CSV cannot hold segments; name it .jsonl or .parquet, or "
                    "write segments with --segments-to instead"
                )


def find_files(
    paths: Iterable[Path], list_file: Path | None, opened: ExitStack
) -> Iterator[tuple[Path, Path]]:
    """Yields files with the names by which results refer to them.

    Standard input is copied to a temporary file, which ``opened`` removes when it closes.

    Raises:
        ConfigError: The list cannot be read.
    """
    from earmark.inference.inputs import find_sounds, read_list

    listed: Iterable[Path] = ()
    if list_file == STANDARD_INPUT:
        listed = read_list(sys.stdin.buffer)
    elif list_file is not None:
        try:
            listed = read_list(opened.enter_context(list_file.open("rb")))
        except OSError as error:
            raise ConfigError(
                f"--files-from {list_file}: cannot be read: {error.strerror}"
            ) from None

    def found() -> Iterator[tuple[Path, Path]]:
        for path in find_sounds(paths):
            yield (_copy_input(opened) if path == STANDARD_INPUT else path), path
        for path in listed:
            yield path, path

    return found()


def _copy_input(opened: ExitStack) -> Path:
    import shutil
    import tempfile

    path = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="earmark-"))) / "input"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return path


def predict_files(
    classifier: "Classifier",
    files: Iterable[tuple[Path, Path]],
    request: Request,
    *,
    as_json: bool,
    reporter: "Reporter",
) -> None:
    """Predicts files, outputs results, and exits with status 1 if any file failed."""
    if request.split_to is not None:
        from earmark.inference.segmentation.cutting import RecordingFolders

        request = dataclasses.replace(request, folders=RecordingFolders())
    with _open_table(classifier, request) as table:
        if table is not None and table.num_done:
            logger.info(f"resuming after {counted(table.num_done, 'file')}")
        if table is not None and table.num_unknown:
            logger.warning(
                f"{table.path}: {counted(table.num_unknown, 'row')} without a record of the file; "
                "whether it has changed since is unknown"
            )
        remaining = files if table is None else _remaining(files, table, request.folders)
        num_files, num_failed = _predict_and_show(
            classifier, iter(remaining), request, table, as_json=as_json, reporter=reporter
        )
        if table is not None:
            table.finish()
            num_files, num_failed = num_files + table.num_done, table.num_failed
            if not as_json:
                failed = f", {num_failed:,} of them failed" if num_failed else ""
                print_line(f"{counted(num_files, 'file')}{failed}: {table.path}")
    if not num_files or num_failed:
        logger.warning(
            f"could not be predicted: {num_failed:,} of {counted(num_files, 'file')}"
            if num_files
            else "no sound files found"
        )
        sys.exit(1)


def _remaining(
    files: Iterable[tuple[Path, Path]], table: "ResultTable", folders: "RecordingFolders | None"
) -> Iterator[tuple[Path, Path]]:
    """Files that are not in the table; those that are keep the names of their folders."""
    for path, name in files:
        if not table.is_done(name):
            yield path, name
        elif folders is not None:
            folders.name(name)


def _predict_and_show(
    classifier: "Classifier",
    files: Iterator[tuple[Path, Path]],
    request: Request,
    table: "ResultTable | None",
    *,
    as_json: bool,
    reporter: "Reporter",
) -> tuple[int, int]:
    """Predicts files and outputs each; returns how many there were and how many failed."""
    from earmark.audio.problems import FileProblems
    from earmark.errors import FailedFile
    from earmark.system.progress import SILENT

    counted = list(itertools.islice(files, COUNTED_FILES))
    total = len(counted) if len(counted) < COUNTED_FILES else None
    shown = ShownResults(request, as_json=as_json, num_files=total)
    explain = Explanations(classifier.spec.config.predict.pooling, request, as_json=as_json)
    # Lines on a terminal would mix with the bar, and show progress themselves.
    bars = SILENT if shown.are_lines_on_terminal else reporter
    num_files = num_failed = 0
    with FileProblems() as problems, bars.track("predict", total) as task:
        found = _predict(classifier, itertools.chain(counted, files), request, task.add_sound)
        for result in found:
            num_files += 1
            task.advance(note=Path(result.path).name)
            if isinstance(result, FailedFile):
                num_failed += 1
                problems.add_skipped(result.error, result.fault)
            else:
                problems.add_notes(result.path, result.notes)
            facts = result.to_dict()
            explain(facts)
            if table is not None:
                table.add(facts)
            shown.add(result)
    shown.end()
    return num_files, num_failed


def _predict(
    classifier: "Classifier",
    files: Iterable[tuple[Path, Path]],
    request: Request,
    watch: Callable[[float], None],
) -> "Iterator[Result]":
    """Results under the names of `find_files`, each after its own files are written."""
    from earmark.errors import FailedFile

    names: dict[Path, Path] = {}

    def paths() -> Iterator[Path]:
        for path, name in files:
            if path != name:
                names[path] = name
            yield path

    # In a table that is resumed, a single file that crashes here would never get its row.
    is_isolated = request.output is not None
    results = classifier.predict_many(
        paths(), segments=request.needs_segments, isolated=is_isolated, watch=watch
    )
    for result in results:
        name = names.get(Path(result.path), Path(result.path))
        if isinstance(result, FailedFile):
            error = result.error.replace(str(result.path), str(name))
            yield dataclasses.replace(result, path=name, error=error)
            continue
        named = dataclasses.replace(result, path=name)
        if request.needs_segments:
            yield _write_files(classifier, result, named, request)
        else:
            yield named


def _write_files(
    classifier: "Classifier",
    result: "Prediction",
    named: "Prediction",
    request: Request,
) -> "Result":
    """Writes the files of a recording; returns its result, or the failure."""
    from earmark.errors import AudioError, FailedFile
    from earmark.inference.segmentation.cutting import split_audio
    from earmark.inference.segmentation.formats import FORMATS, Timeline
    from earmark.system.files import atomic_write, fit_name, place_below

    try:
        if request.segments_to is not None:
            timeline = Timeline.from_prediction(named)
            for name in request.formats or ("csv",):
                place = place_below(request.segments_to, named.path)
                if name in FORMATS:
                    suffix, content = FORMATS[name].suffix, FORMATS[name].render(timeline)
                else:
                    suffix, content = f".{name}", _draw(classifier, result, name)
                atomic_write(place.with_name(fit_name(place.name) + suffix), content)
        if request.split_to is not None:
            split_audio(
                *(result.path, result.segments or (), request.split_to),
                labels=classifier.labels,
                name=named.path,
                recordings=request.folders,
            )
    except AudioError as error:
        return FailedFile(named.path, str(error), error.fault)
    except OSError as error:
        # A long path concerns one recording; a full disk would all the others, too.
        if error.errno != errno.ENAMETOOLONG:
            raise
        return FailedFile(
            named.path, f"{named.path}: paths of its files too long; choose a shorter output folder"
        )
    return named if request.segments else dataclasses.replace(named, segments=None)


def _draw(classifier: "Classifier", result: "Prediction", image_format: str) -> bytes | str:
    # matplotlib takes as long to import as PyTorch, and most time lines are not drawn.
    from earmark.inference.segmentation.plot import draw_prediction

    return draw_prediction(result, classifier.spec.config.features, image_format)


def _open_table(classifier: "Classifier", request: Request) -> "ResultTable | nullcontext[None]":
    if request.output is None:
        return nullcontext()
    from earmark.inference.result_table import ResultTable
    from earmark.models.pretrained import find_model
    from earmark.models.run_folder import RunFolder
    from earmark.system.hashing import content_hash

    model = find_model(request.model)
    facts = {
        "model": content_hash(RunFolder(model).best if model.is_dir() else model),
        "predict": classifier.spec.config.predict.model_dump(mode="json"),
        "segments": request.segments,
    }
    return ResultTable(
        *(request.output, classifier.labels, facts),
        resume=request.resume,
        overwrite=request.overwrite,
    )
