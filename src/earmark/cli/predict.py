"""The command that labels sound files."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.cli.addresses import InputPath
from earmark.cli.engine import Engine, engine_options
from earmark.cli.options import adjusted, device_option, json_option, resumable, shard_option
from earmark.cli.predict_files import STANDARD_INPUT, find_files, predict_files
from earmark.cli.predict_member import Member
from earmark.cli.predict_request import Request, name_models
from earmark.cli.stream import raw_options, show_stream
from earmark.errors import ConfigError

if TYPE_CHECKING:
    from earmark.system.progress import Reporter

FORMATS = ("csv", "json", "audacity", "textgrid", "elan", "rttm", "webvtt", "png", "svg")

_folder = click.Path(path_type=Path)


@click.command()
@resumable("--resume", kept_in="output")
@click.argument(
    "words",
    nargs=-1,
    metavar="[MODEL] PATHS...",
    type=InputPath(),
)
@click.option(
    "--model",
    "models",
    multiple=True,
    type=InputPath(),
    help="Instead of MODEL; may be repeated: each file is decoded once.",
)
@click.option("--files-from", type=InputPath(), help="List of files, one per line; - is stdin.")
@click.option("--segments", is_flag=True, help="Also predict when each label starts and ends.")
@click.option("--segments-to", type=_folder, help="Folder for a file of segments per recording.")
@click.option(
    "--segments-format",
    "formats",
    multiple=True,
    type=click.Choice(FORMATS),
    help="Format of these files; csv by default.",
)
@click.option(
    "--split-audio", "split_to", type=_folder, help="Folder for the audio of each segment."
)
@click.option("-o", "--output", type=_folder, help="Table of results: .csv, .jsonl or .parquet.")
@click.option("--resume", is_flag=True, help="Skip files that are in the table already.")
@click.option("--overwrite", is_flag=True, help="Replace any existing file.")
@shard_option
@engine_options
@raw_options
@device_option
@json_option
@adjusted
def predict(  # noqa: PLR0913 - one per option
    words: tuple[Path, ...],
    models: tuple[Path, ...],
    device: str,
    reporter: "Reporter",
    settings: tuple[str, ...],
    as_json: bool,
    engine: Engine,
    **options: Any,
) -> None:
    """Predict the labels of sound files.

    PATHS are files, folders, patterns, or - for standard input.
    """
    raw_rate, raw_format = options.pop("raw_rate"), options.pop("raw_format")
    list_file = options.pop("files_from")
    models, paths = (models, words) if models else (words[:1], words[1:])
    requests = _requests(models, **options)
    _check_paths(paths, list_file, requests[0])
    if not engine.is_local and STANDARD_INPUT in paths:
        raise ConfigError(f"--engine {engine.name}: cannot send standard input; leave out -")
    has_many = list_file is not None or requests[0].output is not None or not _is_one_file(paths)
    if engine.is_local and has_many:
        from earmark.system.workers.fork_server import start_early

        start_early("earmark.features.extraction")
    from earmark.inference.classifier import load_model

    is_stream = raw_rate is not None
    if is_stream and (
        paths != (STANDARD_INPUT,) or list_file is not None or requests != [Request(models[0])]
    ):
        raise ConfigError(
            "--raw: reads standard input only, with one model; give - and no other output"
        )
    classifiers = [load_model(one, device=device, settings=settings) for one in models]
    if is_stream:
        show_stream(classifiers[0], raw_rate, raw_format, as_json=as_json)
        return
    members = list(map(Member, classifiers, requests))
    with ExitStack() as opened:
        files = find_files(paths, list_file, opened)
        executor = opened.enter_context(engine.start())
        predict_files(members, files, as_json=as_json, executor=executor, reporter=reporter)


def _requests(models: tuple[Path, ...], **options: Any) -> list[Request]:
    """What is output for each model."""
    if not models:
        raise click.UsageError("Missing argument 'MODEL'; or give --model.")
    request = Request(models[0], **options)
    request.check()
    if len(models) == 1:
        return [request]
    names = zip(models, name_models(models), strict=True)
    return [request.for_model(model, name) for model, name in names]


def _check_paths(paths: tuple[Path, ...], list_file: Path | None, request: Request) -> None:
    if not paths and list_file is None:
        raise click.UsageError("Missing argument 'PATHS...'; or give --files-from.")
    if list_file == STANDARD_INPUT and STANDARD_INPUT in paths:
        raise ConfigError("--files-from - and -: standard input can be a list or a sound, not both")
    if request.resume and STANDARD_INPUT in paths:
        raise ConfigError("--resume: cannot resume standard input; leave out -")
    if request.shard and STANDARD_INPUT in paths:
        raise ConfigError("--shard: cannot divide standard input; leave out -")


def _is_one_file(paths: tuple[Path, ...]) -> bool:
    return len(paths) == 1 and (paths[0] == STANDARD_INPUT or paths[0].is_file())
