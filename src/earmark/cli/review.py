"""The command with which a person listens to clips and labels them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.cli.options import guarded
from earmark.cli.terminal import print_line
from earmark.errors import ConfigError, needs_extra
from earmark.system.numbers import counted

if TYPE_CHECKING:
    from earmark.labelling.review.queue import Queue
    from earmark.system.progress import Reporter

_file = click.Path(path_type=Path, dir_okay=False)


@click.command()
@guarded
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "labels",
    type=_file,
    default="labels.csv",
    show_default=True,
    help="Manifest of the labels; the log of all answers lies beside it.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="DATA that a test or an audit is of, where its folder does not list the files.",
)
@click.option("--labels", "vocabulary", help="First labels of the vocabulary, separated by commas.")
@click.option("--multi-label", is_flag=True, help="A clip may have any number of labels.")
@click.option(
    "--context",
    type=click.FloatRange(0, 30),
    default=3.0,
    show_default=True,
    help="Seconds of the recording that are shown before and after a clip.",
)
@click.option("--vectors", type=_file, help="Vectors of windows, to show similar clips.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    help="Port of the page; 0 for any that is free, 8010 or one of the next by default.",
)
@click.option("--no-open", is_flag=True, help="Print the address of the page and open no browser.")
@click.option("--static", type=_file, help="Write the page as one HTML file, and end.")
@click.option(
    "-n",
    "--num-clips",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="Most clips that the file of --static holds.",
)
@click.option("--answers", type=_file, help="Add the answers of a --static page, and end.")
def review(source: Path, labels: Path, reporter: "Reporter", **options: Any) -> None:
    """Listen to clips and label them, on a page on this machine, until Ctrl-C.

    SOURCE is a queue or a manifest, whose labels may be missing; a folder of sound; a run or a
    cross-validation after its test; or the output of check --json. Every answer is on disk before
    the page goes on.
    """
    if options["static"] and options["answers"]:
        raise ConfigError("--static and --answers exclude each other; run the command twice")
    queue = _read(source, options)
    if options["static"]:
        _write_static(queue, labels, options, reporter)
    elif options["answers"]:
        _take_answers(queue, labels, options["answers"])
    else:
        _show(queue, labels, options)


def _read(source: Path, options: dict[str, Any]) -> "Queue":
    from earmark.data.manifest import read_manifest
    from earmark.labelling.review.sources import QueueOptions, read_queue

    data = read_manifest(options["data"]) if options["data"] else None
    vocabulary = [one.strip() for one in (options["vocabulary"] or "").split(",")]
    given = tuple(filter(None, vocabulary))
    return read_queue(source, QueueOptions(data, given, options["multi_label"]))


def _write_static(
    queue: "Queue", labels: Path, options: dict[str, Any], reporter: "Reporter"
) -> None:
    from earmark.labelling.review.log import AnswerLog, read_entries
    from earmark.labelling.review.states import States
    from earmark.labelling.review.static import StaticOptions, write_static_page

    states = States.of_entries(read_entries(AnswerLog.path_of(labels)))
    page = write_static_page(
        options["static"],
        queue,
        states,
        StaticOptions(options["num_clips"], options["context"]),
        reporter=reporter,
    )
    more = f"; {page.num_left_out:,} more need a larger -n" if page.num_left_out else ""
    failed = f", {page.num_failed:,} without sound" if page.num_failed else ""
    print_line(f"{page.path}: {counted(page.num_clips, 'clip')}{failed}{more}")


def _take_answers(queue: "Queue", labels: Path, answers: Path) -> None:
    from earmark.labelling.review.review import Review
    from earmark.labelling.review.static import read_answers

    # First: what cannot be read must leave no table behind.
    found = read_answers(answers)
    with Review(queue, labels) as review:
        num_accepted, num_conflicts = review.take(found, answers)
    conflicts = f", {num_conflicts:,} in conflict with others" if num_conflicts else ""
    print_line(f"{labels}: {counted(num_accepted, 'answer')}{conflicts}")


def _show(queue: "Queue", labels: Path, options: dict[str, Any]) -> None:
    with needs_extra("review"):
        from earmark.labelling.review.app import Desk
        from earmark.labelling.review.run import open_browser, show_page
    from earmark.labelling.review.review import Review
    from earmark.labelling.review.similar import hold_vectors
    from earmark.labelling.review.sound import Sounds
    from earmark.system.workers.fork_server import start_early

    start_early("earmark.labelling.review.sound")
    vectors = hold_vectors(options["vectors"]) if options["vectors"] else None

    def ready(address: str) -> None:
        print_line(f"{counted(len(queue.items), 'clip')} at {address}; Ctrl-C ends", err=True)
        if not options["no_open"]:
            open_browser(address)

    with Review(queue, labels) as review, Sounds() as sounds:
        try:
            desk = Desk(review, sounds, options["context"], vectors)
            show_page(desk, options["port"], ready)
        except KeyboardInterrupt:
            # How a review ends.
            pass
        progress = review.states.progress(queue)
    done = counted(progress["labelled"], "clip")
    print_line(f"{labels}: {done} labelled, {progress['open']:,} open")
