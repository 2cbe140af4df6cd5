"""The command that judges what a microphone hears."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.cli.options import adjusted, guarded, json_option, judging, model_argument
from earmark.cli.stream import show_windows, tell_latency

if TYPE_CHECKING:
    from earmark.system.progress import Reporter

logger = logging.getLogger(__name__)


@click.command()
@guarded
@model_argument
@click.option("--microphone", help="Number or name of an input; the system's choice by default.")
@judging
@json_option
@adjusted
def listen(
    model: Path,
    microphone: str | None,
    as_json: bool,
    settings: tuple[str, ...],
    device: str,
    reporter: "Reporter",
) -> None:
    """Labels what a microphone hears, as it is heard; Ctrl-C ends it."""
    from earmark.audio.microphone import Microphone
    from earmark.inference.classifier import Classifier

    classifier = Classifier.load(model, device=device, settings=settings)
    number = int(microphone) if microphone and microphone.isdecimal() else microphone
    with Microphone(classifier.sample_rate, number) as source:
        tell_latency(classifier, source.latency_seconds, reporter)
        try:
            show_windows(classifier, source.blocks(), classifier.sample_rate, as_json=as_json)
        finally:
            if source.num_dropped:
                logger.warning(f"{source.num_dropped} blocks were lost: too much to do")
