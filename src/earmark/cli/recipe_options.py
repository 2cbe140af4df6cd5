"""The options --recipe and --budget."""

import functools

import click

from earmark.cli.options import Function

BUDGETS = ("minutes", "parameters")


def recipe_option(function: Function) -> Function:
    """Adds --recipe to the options of `configured`."""

    @click.option("--recipe", metavar="NAME", help="Short for --set recipe.name=NAME.")
    @functools.wraps(function)
    def run(
        *args: object, recipe: str | None, settings: tuple[str, ...] = (), **options: object
    ) -> None:
        names = () if recipe is None else (f"recipe.name={recipe}",)
        function(*args, settings=(*settings, *names), **options)

    return run


def budget_option(function: Function) -> Function:
    """Adds --budget to the options of `configured`."""

    @click.option(
        "--budget",
        "budgets",
        multiple=True,
        metavar="KEY=VALUE",
        help="Limit of what is chosen: minutes=M of training, or parameters=N.",
    )
    @functools.wraps(function)
    def run(
        *args: object,
        budgets: tuple[str, ...],
        settings: tuple[str, ...] = (),
        **options: object,
    ) -> None:
        for budget in budgets:
            key, equals, _ = budget.partition("=")
            if not equals or key not in BUDGETS:
                known = " or ".join(f"{one}=N" for one in BUDGETS)
                raise click.BadParameter(f"{budget!r}: give {known}", param_hint="--budget")
        limits = (f"recipe.{one}" for one in budgets)
        function(*args, settings=(*settings, *limits), **options)

    return run
