"""Commands that list and inspect networks."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.cli.addresses import InputPath
from earmark.cli.options import configured, given, guarded, json_option

if TYPE_CHECKING:
    from earmark.config import Config
    from earmark.system.progress import Reporter


@click.group()
def model() -> None:
    """List or inspect networks."""


@model.command("list")
@guarded
@json_option
def list_architectures(as_json: bool, reporter: "Reporter") -> None:
    """List the registered architectures and their cost at the default settings."""
    from earmark.cli.terminal import print_json, print_table
    from earmark.config import Config
    from earmark.features.windows import crop_frames
    from earmark.models.architectures.registry import InputShape
    from earmark.models.architectures.summary import describe_models

    config = Config()
    shape = InputShape(config.features.n_mels, crop_frames(config))
    architectures = describe_models(shape)
    if as_json:
        print_json([asdict(one) for one in architectures])
        return
    rows = [
        (one.name, f"{one.num_parameters:,}", f"{one.num_multiply_adds:,}", one.source)
        for one in architectures
    ]
    title = f"One logit, input 1 x {shape.n_mels} x {shape.num_frames}"
    print_table(title, ("architecture", "parameters", "multiply-adds", "source"), rows)


@model.command("summary")
@guarded
@click.argument("model", required=False, type=InputPath())
@configured
def summary(model: Path | None, config: "Config", reporter: "Reporter") -> None:
    """Print the layers of MODEL, or of the settings: output sizes, parameters, multiply-adds."""
    from earmark.cli.terminal import print_line, print_table
    from earmark.errors import ConfigError
    from earmark.features.windows import crop_frames
    from earmark.models.architectures.registry import InputShape
    from earmark.models.architectures.summary import summarize
    from earmark.models.checkpoint import load_checkpoint, new_network
    from earmark.models.spec import ModelSpec

    if model:
        if given("settings") or given("config_file"):
            raise ConfigError(f"{model}: has its own settings; leave --set and --config out")
        checkpoint = load_checkpoint(model)
        spec, network = checkpoint.spec, checkpoint.build()
    else:
        spec = ModelSpec(config, labels=("no", "yes"), window_frames=crop_frames(config))
        network = new_network(spec)
    shape = InputShape(spec.config.features.n_mels, spec.window_frames)
    layers = summarize(network, shape)
    rows = [
        (
            one.name,
            one.type,
            " x ".join(map(str, one.output_size)),
            f"{one.num_parameters:,}",
            f"{one.num_multiply_adds:,}",
        )
        for one in layers
    ]
    title = f"{spec.config.model.name}, input 1 x {shape.n_mels} x {shape.num_frames}"
    print_table(title, ("layer", "type", "output", "parameters", "multiply-adds"), rows)
    parameters = sum(one.num_parameters for one in layers)
    multiply_adds = sum(one.num_multiply_adds for one in layers)
    print_line(f"{parameters:,} parameters, {multiply_adds:,} multiply-adds per window")
