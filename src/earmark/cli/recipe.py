"""Commands that list recipes, and show what they choose for a data set."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.cli.options import (
    DataSource,
    configured,
    given,
    guarded,
    json_option,
    optional_data_argument,
    store_option,
)
from earmark.cli.recipe_options import budget_option

if TYPE_CHECKING:
    from earmark.config import Config
    from earmark.system.progress import Reporter


@click.group()
def recipe() -> None:
    """List recipes, or show what one chooses."""


@recipe.command("list")
@guarded
@json_option
def list_recipes(as_json: bool, reporter: "Reporter") -> None:
    """List the recipes: where settings come from that are not given."""
    from earmark.cli.terminal import print_json, print_table
    from earmark.config import recipe_names, recipe_text

    rows = [(one, recipe_text(one).partition("\n")[0].removeprefix("# ")) for one in recipe_names()]
    if as_json:
        print_json([{"name": name, "description": text} for name, text in rows])
    else:
        print_table("", ("recipe", "settings"), rows)


@recipe.command()
@guarded
@click.argument("name")
@optional_data_argument
@store_option
@budget_option
@configured
def show(
    name: str,
    data: DataSource | None,
    config: "Config",
    store_root: Path | None,
    reporter: "Reporter",
) -> None:
    """Print the recipe NAME as TOML.

    With DATA, print all settings that it gives for training on these data, with reasons.
    """
    from earmark.cli.terminal import printable
    from earmark.config import override, recipe_text
    from earmark.errors import ConfigError
    from earmark.training.recipes.configure import configure, divide
    from earmark.training.recipes.toml import annotate

    text = recipe_text(name)
    if data is not None:
        config = override(config, [f"recipe.name={name}"])
        manifest = divide(data.read(), config)
        text = annotate(configure(manifest, config, store=store_root, reporter=reporter))
    elif any(map(given, ("settings", "config_file", "budgets", "store_root"))):
        raise ConfigError("recipe show: these options need DATA, whose settings they change")
    click.echo("\n".join(map(printable, text.splitlines())))
