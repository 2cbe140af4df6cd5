"""The command that labels live sound from a microphone."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.cli.options import adjusted, device_option, guarded, json_option, model_argument
from earmark.cli.stream import live_windows, log_latency, show_windows

if TYPE_CHECKING:
    from earmark.events.outbox import Outbox
    from earmark.inference.classifier import Classifier
    from earmark.system.progress import Reporter

logger = logging.getLogger(__name__)


@click.command()
@guarded
@model_argument
@click.option("--microphone", help="Number or name of an input device; by default the system's.")
@click.option(
    "--mqtt",
    "broker_url",
    metavar="URL",
    help="Publish changes of label: mqtt://[USER@]HOST[:PORT][/PREFIX], or mqtts://.",
)
@click.option("--webhook", "webhook_url", metavar="URL", help="Post changes of label as JSON.")
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
    **urls: str | None,
) -> None:
    """Label live sound from a microphone until Ctrl-C."""
    from earmark.audio.microphone import Microphone
    from earmark.inference.classifier import load_model

    classifier = load_model(model, device=device, settings=settings)
    number = int(microphone) if microphone and microphone.isdecimal() else microphone
    with ExitStack() as opened:
        outboxes = list(_open_outboxes(classifier, opened, **urls))
        source = opened.enter_context(Microphone(classifier.sample_rate, number))
        log_latency(classifier, source.latency_seconds)
        windows = live_windows(classifier, source.blocks(), classifier.sample_rate)
        if outboxes:
            from earmark.events.changes import ChangeDetector, publish_changes

            windows = publish_changes(windows, ChangeDetector(classifier.spec), outboxes)
        try:
            show_windows(classifier, windows, as_json=as_json)
        finally:
            if source.num_dropped:
                logger.warning(f"input overflow: {source.num_dropped} blocks dropped")


def _open_outboxes(
    classifier: "Classifier", opened: ExitStack, broker_url: str | None, webhook_url: str | None
) -> "Iterator[Outbox]":
    if broker_url is not None:
        from earmark.events.mqtt import Broker, mqtt

        yield opened.enter_context(mqtt(Broker.parse(broker_url), classifier.spec.answers))
    if webhook_url is not None:
        from earmark.events.webhook import webhook

        yield opened.enter_context(webhook(webhook_url))
