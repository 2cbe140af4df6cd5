"""The command that turns sound into vectors."""

import itertools
import logging
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.cli.embedder_options import embedder_options
from earmark.cli.options import adjusted, device_option, json_option, resumable, shard_option
from earmark.cli.predict_files import COUNTED_FILES, STANDARD_INPUT, find_files
from earmark.cli.terminal import print_json, print_line
from earmark.errors import ConfigError, FailedFile
from earmark.system.numbers import counted

if TYPE_CHECKING:
    from earmark.features.embedder import EmbedderRequest
    from earmark.inference.embedding import Embedder
    from earmark.inference.open_embedder import Opened
    from earmark.labelling.vector_part import VectorPart
    from earmark.labelling.vector_table import VectorTable
    from earmark.system.progress import Reporter
    from earmark.system.shards import Shard, ShardFiles

    Table = VectorTable | VectorPart

logger = logging.getLogger(__name__)


@click.command()
@resumable("--resume")
@click.argument(
    "words",
    nargs=-1,
    metavar="[MODEL] PATHS...",
    type=click.Path(path_type=Path, readable=False),
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Table of vectors, .parquet.",
)
@click.option(
    "--files-from",
    type=click.Path(path_type=Path),
    help="List of files, one per line; - is stdin.",
)
@click.option(
    "--hop-seconds", type=float, help="From the start of one window to the start of the next."
)
@click.option("--resume", is_flag=True, help="Skip files that are in the table already.")
@click.option("--overwrite", is_flag=True, help="Replace any existing file.")
@shard_option
@embedder_options
@device_option
@json_option
@adjusted
def embed(  # noqa: PLR0913 - one per option
    words: tuple[Path, ...],
    output: Path,
    files_from: Path | None,
    hop_seconds: float | None,
    resume: bool,
    overwrite: bool,
    shard: "Shard | None",
    embedder: "EmbedderRequest | None",
    device: str,
    as_json: bool,
    settings: tuple[str, ...],
    reporter: "Reporter",
) -> None:
    """Turn sound into a table of vectors, one per window.

    The vectors are what the last layer of MODEL gets, or the output of --embedder. PATHS are files,
    folders or patterns.
    """
    from earmark.system.workers.fork_server import start_early

    if resume and overwrite:
        raise ConfigError("--resume and --overwrite: give one of the two")
    model, paths = (None, words) if embedder is not None else (words[:1], words[1:])
    if STANDARD_INPUT in paths:
        raise ConfigError("-: standard input has no name for a table; give a file")
    if model == () or not (paths or files_from):
        raise click.UsageError("Missing argument 'MODEL' or 'PATHS...'.")
    start_early("earmark.features.extraction")
    opened = _open(model, embedder, hop_seconds, device=device, settings=settings)
    shard_files = _list_files(shard)
    with ExitStack() as opened_files:
        files = (path for path, _ in find_files(paths, files_from, opened_files))
        table = opened_files.enter_context(
            _open_table(output, opened, shard_files, resume=resume, overwrite=overwrite)
        )
        if table.num_done:
            logger.info(f"resuming after {counted(table.num_done, 'file')}")
        if shard_files is not None:
            files = filter(shard_files.take, files)
        failed = _embed_files(opened.embedder, table, files, reporter)
        table.finish()
    if as_json:
        print_json(
            {
                "path": str(table.path),
                "num_windows": table.num_windows,
                "dimensions": opened.embedder.dimensions,
                "skipped": [one.to_dict() for one in failed],
            }
        )
    else:
        windows = counted(table.num_windows, "window")
        dimensions = counted(opened.embedder.dimensions, "value")
        print_line(f"{windows}, vectors of {dimensions}: {table.path}")
    _exit(table.num_windows, failed, shard_files)


def _exit(num_windows: int, failed: Sequence[FailedFile], shard_files: "ShardFiles | None") -> None:
    """Exits with status 1 if files failed or there were none; a shard may have none."""
    if failed:
        logger.warning(f"skipped {counted(len(failed), 'file')}")
    elif not num_windows and shard_files is not None and shard_files.num_files:
        logger.info(f"shard {shard_files.shard}: none of {counted(shard_files.num_files, 'file')}")
        return
    elif not num_windows:
        logger.warning("no sound files found")
    else:
        return
    sys.exit(1)


def _list_files(shard: "Shard | None") -> "ShardFiles | None":
    from earmark.system.shards import ShardFiles

    return None if shard is None else ShardFiles(shard)


def _open_table(
    output: Path,
    opened: "Opened",
    shard_files: "ShardFiles | None",
    *,
    resume: bool,
    overwrite: bool,
) -> "Table":
    from earmark.labelling.vector_part import VectorPart
    from earmark.labelling.vector_table import VectorTable

    place = (output, opened.embedder.dimensions, opened.facts)
    if shard_files is not None:
        return VectorPart(*place, shard_files, resume=resume, overwrite=overwrite)
    return VectorTable(*place, resume=resume, overwrite=overwrite)


def _open(
    model: tuple[Path, ...] | None,
    embedder: "EmbedderRequest | None",
    hop_seconds: float | None,
    *,
    device: str,
    settings: tuple[str, ...],
) -> "Opened":
    from earmark.config import load_config
    from earmark.inference.open_embedder import open_model_embedder, open_other_embedder

    if embedder is None:
        assert model
        return open_model_embedder(
            model[0], hop_seconds=hop_seconds, device=device, settings=settings
        )
    for setting in settings:
        if not setting.startswith("features."):
            raise ConfigError(f"--set {setting}: with --embedder only settings of features")
    features = load_config(settings=settings).features
    return open_other_embedder(replace(embedder, features=features), hop_seconds=hop_seconds)


def _embed_files(
    embedder: "Embedder", table: "Table", files: Iterable[Path], reporter: "Reporter"
) -> list[FailedFile]:
    """Adds the vectors of files to a table; returns those that failed."""
    from earmark.audio.problems import FileProblems

    first = list(itertools.islice(files, COUNTED_FILES))
    total = len(first) if len(first) < COUNTED_FILES else None
    failed: list[FailedFile] = []
    with FileProblems() as problems, reporter.track("embed", total) as task:

        def remaining() -> Iterable[Path]:
            for path in itertools.chain(first, files):
                if table.is_done(path):
                    task.advance()
                elif table.cell(path) is None:
                    error = (
                        f"{path}: the name is not UTF-8, so no table can hold it; rename the file"
                    )
                    failed.append(FailedFile(path, error))
                    problems.add_skipped(error, None)
                else:
                    yield path

        for result in embedder.embed_many(remaining(), isolated=True, watch=task.add_sound):
            task.advance(note=Path(result.path).name)
            if isinstance(result, FailedFile):
                failed.append(result)
                problems.add_skipped(result.error, result.fault)
            else:
                problems.add_notes(result.path, result.notes)
                table.add(result)
    return failed
