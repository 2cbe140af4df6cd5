"""The command line: one command a verb. Heavy imports wait inside the commands."""

import sys
from collections.abc import Sequence

import click

from earmark.cli.check import check
from earmark.cli.compare import compare
from earmark.cli.cross_validate import cross_validate
from earmark.cli.demo import demo
from earmark.cli.evaluate import evaluate
from earmark.cli.export import export
from earmark.cli.listen import listen
from earmark.cli.model import model
from earmark.cli.predict import predict
from earmark.cli.prepare import prepare
from earmark.cli.train import train
from earmark.cli.tune import tune


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits with its status."""
    sys.exit(cli.main(arguments, prog_name="earmark", standalone_mode=True))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="earmark", prog_name="earmark")
def cli() -> None:
    """Turns a folder of labelled sound into an audio classifier.

    DATA is a folder, DATA/LABEL/*.wav or DATA/{training,validation,testing}/LABEL/*.wav, or a CSV,
    JSON Lines or Parquet manifest with the columns path and label. MODEL is a run folder, a
    .safetensors file or, for predict and listen, an .onnx file or the name of a model inside the
    package, such as speech-music.
    """


for _command in (
    *(demo, check, prepare, train, tune, cross_validate, evaluate, compare),
    *(predict, listen, export, model),
):
    cli.add_command(_command)
