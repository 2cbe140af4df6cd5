"""The command that reads label files of other programs, and labels in file names."""

import logging
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.cli.options import decoding, guarded, json_option
from earmark.cli.terminal import print_json, print_line

if TYPE_CHECKING:
    from earmark.errors import FailedFile
    from earmark.labelling.imports.result import ImportedLabels
    from earmark.system.progress import Reporter

logger = logging.getLogger(__name__)

MAX_LISTED = 5
"""Problems of a file that are printed; ``--json`` lists all."""
_NO_SOUND = "no sound files, or none in a folder LABEL, which a pattern without {label} needs"
_OPTIONS_OF_LABEL_FILES = (
    *("audio", "columns", "tiers", "window", "hop", "min_coverage", "whole"),
    *("multi_label", "no_background"),
)


@click.command("import")
@guarded
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="CSV manifest to write; standard output by default.",
)
@click.option(
    "--audio",
    type=click.Path(path_type=Path),
    help="The recording, or the folder of the recordings; beside the label files by default.",
)
@click.option(
    "--columns",
    metavar="ROLE=COLUMN,...",
    help="Columns of a table, such as start=Begin,end=End,label=Call.",
)
@click.option("--tier", "tiers", multiple=True, help="A tier to read; all by default.")
@click.option(
    "--pattern",
    metavar="PATTERN",
    help='Read labels from names of sound files instead, such as "{label}.{number}.wav".',
)
@click.option(
    "--window", type=float, default=1.0, show_default=True, help="Length of excerpts, in seconds."
)
@click.option("--hop", type=float, help="Step between excerpts; by default their length.")
@click.option(
    "--min-coverage",
    type=float,
    default=0.5,
    show_default=True,
    help="Fraction of an excerpt, or of a shorter annotation, that gives the excerpt its label.",
)
@click.option("--whole", is_flag=True, help="Make each annotation an excerpt.")
@click.option("--multi-label", is_flag=True, help="Allow several labels at once.")
@click.option("--no-background", is_flag=True, help="Leave out windows without annotations.")
@json_option
@decoding("earmark.labelling.imports.lengths")
def import_labels(
    sources: tuple[Path, ...],
    output: Path | None,
    pattern: str | None,
    as_json: bool,
    reporter: "Reporter",
    **options: Any,
) -> None:
    """Write a manifest from labels of other programs.

    SOURCE is a label file or a folder of them: Audacity, Raven, Praat, ELAN, RTTM, WebVTT,
    Kaleidoscope, BirdNET, other tables with --columns, and what predict --segments-to writes. With
    --pattern it is a folder of sound files.
    """
    from earmark.errors import ConfigError, DataError
    from earmark.labelling.imports.run import import_file_names
    from earmark.system.numbers import counted

    if as_json and output is None:
        raise ConfigError("--json prints a summary; give the manifest a file with -o")
    if pattern is None:
        found = _import_label_files(sources, reporter, options)
    else:
        _refuse_other_options()
        found = import_file_names(sources, pattern)
    _report(found)
    if len(found.manifest):
        _write(found, output)
    if as_json:
        written = str(output) if len(found.manifest) else None
        print_json({"manifest": written, **found.to_dict()})
    if not len(found.manifest):
        nothing = "no label files, or no annotations" if pattern is None else _NO_SOUND
        why = "see the messages above" if found.failed else nothing
        raise DataError(f"{sources[0]}: nothing to import; {why}")
    if output and not as_json:
        print_line(f"{output}: {found.headline}")
    if found.failed:
        logger.warning(f"{counted(len(found.failed), 'problem')}; see the messages above")
        sys.exit(1)


def _import_label_files(
    sources: Sequence[Path], reporter: "Reporter", options: dict[str, Any]
) -> "ImportedLabels":
    from earmark.labelling.imports.excerpts import ExcerptOptions
    from earmark.labelling.imports.run import import_labels as read

    return read(
        sources,
        audio=options["audio"],
        columns=_parse_columns(options["columns"] or ""),
        tiers=options["tiers"],
        options=ExcerptOptions(
            window_seconds=options["window"],
            hop_seconds=options["hop"],
            min_coverage=options["min_coverage"],
            whole=options["whole"],
            multi_label=options["multi_label"],
            background=not options["no_background"],
        ),
        reporter=reporter,
    )


def _parse_columns(text: str) -> dict[str, str]:
    """What a column holds, to its name, which may hold commas."""
    from earmark.errors import ConfigError

    found: dict[str, str] = {}
    for part in re.split(r",(?=\s*[a-z_]+\s*=)", text) if text else ():
        role, _, name = (word.strip() for word in part.partition("="))
        name = name.strip("\"'")
        if not role or not name or role in found:
            raise ConfigError(
                f"--columns {text}: write ROLE=COLUMN, each role once, such as "
                "start=Begin,end=End,label=Call"
            )
        found[role] = name
    return found


def _refuse_other_options() -> None:
    """Options of label files have no meaning for names of files."""
    from click.core import ParameterSource

    from earmark.errors import ConfigError

    context = click.get_current_context()
    for name in _OPTIONS_OF_LABEL_FILES:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = next(one.opts[0] for one in context.command.params if one.name == name)
            raise ConfigError(f"{option} is for label files; leave it out with --pattern")


def _report(found: "ImportedLabels") -> None:
    """Logs notes, warnings and problems, a few of each file."""
    by_file: dict[str, list[FailedFile]] = defaultdict(list)
    for one in found.failed:
        by_file[str(one.path)].append(one)
    for note in found.notes:
        logger.info(f"note: {note}")
    for warning in found.left_out.warnings():
        logger.warning(warning)
    for path, problems in by_file.items():
        for one in problems[:MAX_LISTED]:
            logger.warning(one.error)
        if len(problems) > MAX_LISTED:
            logger.warning(f"{path}: {len(problems) - MAX_LISTED} more problems; --json lists all")


def _write(found: "ImportedLabels", output: Path | None) -> None:
    """Writes the manifest; an edited one is kept."""
    from earmark.data.writing import manifest_table
    from earmark.errors import ConfigError
    from earmark.system.files import read_text

    if output is None:
        click.echo(manifest_table(found.manifest.recordings, Path()), nl=False)
        return
    table = manifest_table(found.manifest.recordings, output.parent)
    if output.exists() and (output.is_dir() or read_text(output) != table):
        raise ConfigError(f"{output}: exists; choose another name, or delete it first")
    found.write(output)
