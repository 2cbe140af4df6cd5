"""The command that says what to label next."""

import itertools
import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.cli.options import adjusted, device_option, guarded, json_option
from earmark.cli.predict_files import COUNTED_FILES, STANDARD_INPUT, find_files
from earmark.cli.printing import exit_if_skipped
from earmark.cli.terminal import print_json, print_line, print_table
from earmark.errors import ConfigError
from earmark.system.numbers import counted

if TYPE_CHECKING:
    from earmark.labelling.suggest import Strategy
    from earmark.system.progress import Reporter

logger = logging.getLogger(__name__)

MAX_SHOWN = 20


@click.command()
@guarded
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, readable=False))
@click.option(
    "-n",
    "--number",
    "count",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="Number of windows.",
)
@click.option(
    "--by",
    type=click.Choice(["margin", "novelty", "diverse", "random"]),
    default="margin",
    show_default=True,
    help="What makes a window worth labelling.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Queue of the windows, .csv.")
@click.option(
    "--labelled",
    type=click.Path(path_type=Path),
    help="Manifest of what has a label already; it is left out.",
)
@click.option(
    "--hop-seconds", type=float, help="From the start of one window to the start of the next."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of random and diverse.")
@click.option("--overwrite", is_flag=True, help="Replace an existing queue.")
@device_option
@json_option
@adjusted
def suggest(  # noqa: PLR0913 - one per option
    model: Path,
    paths: tuple[Path, ...],
    count: int,
    by: "Strategy",
    output: Path | None,
    labelled: Path | None,
    hop_seconds: float | None,
    seed: int,
    overwrite: bool,
    device: str,
    as_json: bool,
    settings: tuple[str, ...],
    reporter: "Reporter",
) -> None:
    """Say which windows of recordings to label next.

    PATHS are files, folders or patterns.
    """
    from earmark.audio.problems import FileProblems
    from earmark.inference.classifier import load_model
    from earmark.labelling.candidates import collect_candidates
    from earmark.labelling.queue import refuse_queue, write_queue
    from earmark.labelling.suggest import labelled_parts
    from earmark.labelling.suggest import suggest as choose

    if STANDARD_INPUT in paths:
        raise ConfigError("-: standard input has no name for a queue; give a file")
    if output is not None:
        refuse_queue(output, overwrite=overwrite)
    known = {} if labelled is None else labelled_parts(labelled)
    classifier = load_model(model, device=device, settings=settings)
    with ExitStack() as opened, FileProblems() as problems:
        files = (path for path, _ in find_files(paths, None, opened))
        first = list(itertools.islice(files, COUNTED_FILES))
        total = len(first) if len(first) < COUNTED_FILES else None
        task = opened.enter_context(reporter.track("windows", total))

        def counting() -> Iterator[Path]:
            for path in itertools.chain(first, files):
                task.advance(note=path.name)
                yield path

        candidates, failed = collect_candidates(
            classifier, counting(), hop_seconds=hop_seconds, watch=task.add_sound
        )
        for one in failed:
            problems.add_skipped(one.error, one.fault)
    if candidates.num_silent:
        logger.info(f"left out {counted(candidates.num_silent, 'silent window')}")
    found = choose(candidates, count, by, labelled=known, seed=seed)
    place = output if candidates.paths else None
    if place is not None:
        write_queue(place, found, overwrite=overwrite)
    if as_json:
        windows = [{**asdict(one), "path": str(one.path)} for one in found]
        skipped = [one.to_dict() for one in failed]
        print_json(
            {"by": by, "num_windows": len(candidates), "windows": windows, "skipped": skipped}
        )
    else:
        rows = [
            (one.path, f"{one.start:.2f}", f"{one.end:.2f}", one.predicted or "(none)", one.reason)
            for one in found[:MAX_SHOWN]
        ]
        print_table("", ("file", "start", "end", "predicted", "reason"), rows)
        to = f": {place}" if place is not None else ""
        print_line(f"{counted(len(found), 'window')} of {len(candidates):,}{to}")
    exit_if_skipped(failed)
    if not candidates.paths:
        logger.warning("no sound files found")
        sys.exit(1)
