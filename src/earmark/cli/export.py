"""The command that exports a model."""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.cli.options import guarded, json_option, model_argument

if TYPE_CHECKING:
    from earmark.system.progress import Reporter

logger = logging.getLogger(__name__)


@click.command()
@guarded
@model_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="The .onnx file to write.",
)
@click.option(
    "--input",
    "takes",
    type=click.Choice(["waveform", "log-mel"]),
    default="waveform",
    show_default=True,
    help="What the graph takes: sound, or the windows of the front end.",
)
@click.option(
    "--licence",
    default="not stated",
    show_default=True,
    help="Under which the weights may be used, for the metadata.",
)
@json_option
def export(model: Path, output: Path, as_json: bool, reporter: "Reporter", **options: Any) -> None:
    """Writes a model as an ONNX file, once it says what PyTorch says."""
    from earmark.errors import ConfigError

    if output.suffix.lower() != ".onnx":
        raise ConfigError(f"-o {output}: give the file a name that ends in .onnx")
    try:
        # PyTorch needs it, and would say so late.
        import onnxscript  # noqa: F401

        from earmark.exporters.onnx import export as export_model
    except ModuleNotFoundError as error:
        if error.name not in ("onnx", "onnxscript"):
            raise
        raise ConfigError("export needs ONNX; install it: pip install 'earmark[onnx]'") from None
    logger.info("making the graph and comparing it with PyTorch")
    written = export_model(model, output, **options)
    if as_json:
        click.echo(json.dumps(written.to_dict()))
        return
    parity = written.parity
    click.echo(
        f"{written.path}: {written.num_bytes:,} bytes, takes {written.takes}, opset "
        f"{written.opset}; the probabilities of {parity.num_sounds} sounds differ by at most "
        f"{parity.largest_difference:.1e} from those of PyTorch"
    )
