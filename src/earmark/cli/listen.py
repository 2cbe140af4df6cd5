"""The command that labels live sound from a microphone."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.cli.options import adjusted, device_option, guarded, json_option, model_argument
from earmark.cli.stream import log_latency, show_windows

if TYPE_CHECKING:
    from earmark.system.progress import Reporter

logger = logging.getLogger(__name__)


@click.command()
@guarded
@model_argument
@click.option("--microphone", help="Number or name of an input device; by default the system's.")
@device_option
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
    """Label live sound from a microphone until Ctrl-C."""
    from earmark.audio.microphone import Microphone
    from earmark.inference.classifier import load_model

    classifier = load_model(model, device=device, settings=settings)
    number = int(microphone) if microphone and microphone.isdecimal() else microphone
    with Microphone(classifier.sample_rate, number) as source:
        log_latency(classifier, source.latency_seconds)
        try:
            show_windows(classifier, source.blocks(), classifier.sample_rate, as_json=as_json)
        finally:
            if source.num_dropped:
                logger.warning(f"input overflow: {source.num_dropped} blocks dropped")
