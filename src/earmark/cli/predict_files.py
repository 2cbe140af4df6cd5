"""Predicts many files for `earmark predict`: prints results, writes tables and files."""

import dataclasses
import errno
import itertools
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.cli.explanations import Explanations
from earmark.cli.predict_member import Member
from earmark.cli.predict_request import Request
from earmark.cli.shown_results import ShownResults
from earmark.errors import ConfigError
from earmark.system.numbers import counted
from earmark.system.remote.path import to_path

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from earmark.errors import FailedFile
    from earmark.inference.classifier import Classifier
    from earmark.inference.predictions import Prediction
    from earmark.system.progress import Reporter
    from earmark.system.shards import ShardFiles

    Result = Prediction | FailedFile

logger = logging.getLogger(__name__)

COUNTED_FILES = 10_000
"""Most files that are counted before work starts, so that the bar can show the time left."""
STANDARD_INPUT = Path("-")


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
    members: Sequence[Member],
    files: Iterable[tuple[Path, Path]],
    *,
    as_json: bool,
    executor: "Executor | None" = None,
    reporter: "Reporter",
) -> None:
    """Predicts files, outputs results, and exits with status 1 if any file failed."""
    shard_files = members[0].request.list_files()
    with ExitStack() as opened:
        for member in members:
            member.open_table(opened, shard_files)
        remaining = _remaining(files, members, shard_files)
        num_files, num_failed = _predict_and_show(
            members, remaining, as_json=as_json, executor=executor, reporter=reporter
        )
        for member in members:
            member.finish(as_json=as_json)
        tables = [one.table for one in members if one.table is not None]
        if tables:
            num_files = max(one.num_files for one in members)
            num_failed = max(one.num_failed for one in tables)
    if shard_files is not None and not num_files and shard_files.num_files:
        logger.info(f"shard {shard_files.shard}: none of {counted(shard_files.num_files, 'file')}")
        return
    if not num_files or num_failed:
        logger.warning(
            f"could not be predicted: {num_failed:,} of {counted(num_files, 'file')}"
            if num_files
            else "no sound files found"
        )
        sys.exit(1)


def _remaining(
    files: Iterable[tuple[Path, Path]],
    members: Sequence[Member],
    shard_files: "ShardFiles | None",
) -> Iterator[tuple[Path, Path]]:
    """Files of the shard that are not in the tables of all models."""
    for path, name in files:
        if shard_files is not None and not shard_files.take(name):
            for one in members:
                one.pass_over(name)
            continue
        # Each of them has to see the file.
        done = [one.is_done(name) for one in members]
        if all(done):
            for one in members:
                one.forget_done(name)
        else:
            yield path, name


def _predict_and_show(
    members: Sequence[Member],
    files: Iterator[tuple[Path, Path]],
    *,
    as_json: bool,
    executor: "Executor | None",
    reporter: "Reporter",
) -> tuple[int, int]:
    """Predicts files and outputs each; returns how many there were and how many failed."""
    from earmark.audio.problems import FileProblems
    from earmark.errors import FailedFile
    from earmark.system.progress import SILENT

    counted = list(itertools.islice(files, COUNTED_FILES))
    total = len(counted) if len(counted) < COUNTED_FILES else None
    classifier, request = members[0].classifier, members[0].request
    shown = ShownResults(request, as_json=as_json, num_files=total)
    explain = Explanations(classifier.spec.config.predict.pooling, request, as_json=as_json)
    # Lines on a terminal would mix with the bar, and show progress themselves.
    bars = SILENT if shown.are_lines_on_terminal else reporter
    num_files = num_failed = 0
    with FileProblems() as problems, bars.track("predict", total) as task:
        found = itertools.chain(counted, files)
        for results in _predict(members, found, executor, task.add_sound):
            num_files += 1
            task.advance(note=to_path(results[0].path).name)
            failed = {one.error: one for one in results if isinstance(one, FailedFile)}
            num_failed += bool(failed)
            for one in failed.values():
                problems.add_skipped(one.error, one.fault)
            for one in results:
                if not isinstance(one, FailedFile):
                    problems.add_notes(one.path, one.notes)
                    # The file is the same for all models.
                    break
            for member, result in zip(members, results, strict=True):
                explain(member.add(result))
                shown.add(result, member.request)
    shown.end()
    return num_files, num_failed


def _predict(
    members: Sequence[Member],
    files: Iterable[tuple[Path, Path]],
    executor: "Executor | None",
    watch: Callable[[float], None],
) -> "Iterator[tuple[Result, ...]]":
    """Results under the names of `find_files`, each after its own files are written."""
    names: dict[Path, Path] = {}

    def paths() -> Iterator[Path]:
        for path, name in files:
            if path != name:
                names[path] = name
            yield path

    for results in _predict_paths(members, paths(), executor, watch):
        path = to_path(results[0].path)
        name = names.get(path, path)
        yield tuple(
            _name_and_write(member, result, name)
            for member, result in zip(members, results, strict=True)
        )


def _predict_paths(
    members: Sequence[Member],
    paths: Iterable[Path],
    executor: "Executor | None",
    watch: Callable[[float], None],
) -> "Iterator[tuple[Result, ...]]":
    first = members[0]
    segments = first.request.needs_segments
    classifiers = [one.classifier for one in members]
    if executor is not None:
        from earmark.inference.engine import predict_on

        yield from predict_on(executor, classifiers, paths, segments=segments)
        return
    if len(members) > 1:
        from earmark.inference.several import predict_with_all

        yield from predict_with_all(classifiers, paths, segments=segments, watch=watch)
        return
    # In a table that is resumed, a single file that crashes here would never get its row.
    is_isolated = first.request.output is not None
    for result in first.classifier.predict_many(
        paths, segments=segments, isolated=is_isolated, watch=watch
    ):
        yield (result,)


def _name_and_write(member: Member, result: "Result", name: Path) -> "Result":
    from earmark.errors import FailedFile

    if isinstance(result, FailedFile):
        error = result.error.replace(str(result.path), str(name))
        return dataclasses.replace(result, path=name, error=error)
    named = dataclasses.replace(result, path=name)
    if member.request.needs_segments:
        return _write_files(member.classifier, result, named, member.request)
    return named


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
