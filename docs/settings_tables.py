"""The tables of docs/configuration.md, generated from `earmark.config`.

Run as a script to print them.
"""

import ast
import inspect
import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from earmark import config

SECTIONS = {
    "recipe": config.RecipeConfig,
    "features": config.FeatureConfig,
    "model": config.ModelConfig,
    "model.blocks.N": config.ConvBlockConfig,
    "augment": config.AugmentConfig,
    "train": config.TrainConfig,
    "evaluate": config.EvaluateConfig,
    "predict": config.PredictConfig,
    "tune": config.TuneConfig,
    "tune.space.PATH": config.SearchConfig,
}
"""TOML table path to the class that validates it; N counts from 0, PATH is a setting's path."""


def setting_docstrings(section: type[config.Section]) -> dict[str, str]:
    """Setting to the docstring that follows it in the source, on one line."""
    body = ast.parse(inspect.getsource(section)).body[0].body
    return {
        field.target.id: " ".join(inspect.cleandoc(text.value.value).split())
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    }


def render() -> str:
    """All tables, in Markdown."""
    return "\n".join(line for path in SECTIONS for line in _section(path))


def _section(path: str) -> Iterator[str]:
    section = SECTIONS[path]
    docstrings = setting_docstrings(section)
    yield f"## `{path}`"
    yield ""
    yield " ".join(inspect.getdoc(section).split())
    yield ""
    yield "| setting | value | default | description |"
    yield "|---|---|---|---|"
    for name, field in section.model_fields.items():
        cells = (f"`{path}.{name}`", _value_type(field), _default(field), docstrings[name])
        yield f"| {' | '.join(cells)} |"
    yield ""


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is None:
        return "not given"
    if isinstance(value, tuple) and any(isinstance(one, config.Section) for one in value):
        channels = ", ".join(str(block.channels) for block in value)
        return f"{len(value)} blocks of {channels} channels"
    return f"`{json.dumps(value)}`"


def _value_type(field: FieldInfo) -> str:
    return ", ".join([_type(field.annotation), *_limits(field.metadata)])


def _limits(metadata: Sequence[Any]) -> list[str]:
    return [
        f"{sign} {getattr(limit, name):,}"
        for limit in metadata
        for name, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
        if hasattr(limit, name)
    ]


def _type(annotation: Any) -> str:
    choices = [one for one in get_args(annotation) if one is not type(None)]
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{json.dumps(choice)}`" for choice in choices)
    if get_origin(annotation) is Annotated:
        limits = [
            one for field in annotation.__metadata__ for one in getattr(field, "metadata", ())
        ]
        return ", ".join([_type(choices[0]), *_limits(limits)])
    if get_origin(annotation) is dict:
        return "table of tables"
    if get_origin(annotation) is tuple and choices[0] in (config.ConvBlockConfig, Any):
        return "list of any values" if choices[0] is Any else "list of tables"
    if get_origin(annotation) is tuple and choices[-1] is Ellipsis:
        return f"list of {_type(choices[0])}"
    if get_origin(annotation) is tuple:
        return f"one or two: {_type(choices[0])}"
    if {int, float} <= set(choices):
        return "number"
    if choices:
        return _type(choices[0])
    if issubclass(annotation, config.Section):
        return "table"
    return {int: "integer", float: "number", str: "string", bool: "`true` or `false`"}[annotation]


if __name__ == "__main__":
    print(render())  # noqa: T201 - a script
