"""The table of targets: one function and one set of options for each."""

import inspect
from pathlib import Path

import pytest

from earmark.config import load_config
from earmark.errors import ConfigError
from earmark.exporters.graph_form import GraphForm
from earmark.exporters.onnx import Exported
from earmark.exporters.parity import Parity
from earmark.exporters.targets import COMMON_OPTIONS, TARGETS, ExportOptions, Target, export
from earmark.models.spec import ModelSpec


@pytest.mark.parametrize("name", TARGETS)
def test_each_target_has_a_function_and_known_options(name):
    target = TARGETS[name]
    assert list(inspect.signature(target.load()).parameters) == ["model", "output", "options"]
    assert {*target.options, *COMMON_OPTIONS} <= set(ExportOptions.__annotations__)


@pytest.fixture
def written(monkeypatch):
    """A table of two targets that only record what they get."""
    calls = []

    def record(model, output, options):
        calls.append((model, output, options))
        spec = ModelSpec(load_config(), ("a", "b"), 51)
        return Exported(output, GraphForm(), spec, 0, Parity(0, 0.0, 0.0))

    monkeypatch.setattr("earmark.exporters.onnx.export_onnx", record)
    other = Target(("onnx", "export_onnx"), suffixes=(".other",))
    monkeypatch.setattr("earmark.exporters.targets.TARGETS", {**TARGETS, "other": other})
    return calls


@pytest.mark.parametrize(
    ("output", "to", "options"),
    [
        ("a.onnx", None, {"takes": "log-mel"}),
        ("a", None, {"takes": "log-mel", "licence": "MIT"}),
        ("a.other", "onnx", {"takes": "log-mel"}),
        ("a.OTHER", None, {"licence": "MIT", "overwrite": True}),
        ("a.onnx", "other", {}),
    ],
)
def test_the_suffix_means_the_target_where_none_is_given(written, output, to, options):
    export("run", output, to=to, **options)
    assert written == [("run", Path(output), options)]


@pytest.mark.parametrize(("output", "to"), [("a.other", None), ("a.onnx", "other")])
def test_an_option_of_other_targets_is_refused(written, output, to):
    with pytest.raises(ConfigError, match=r"--input.*--to other.*--licence"):
        export("run", output, to=to, takes="log-mel")
    assert written == []


def test_an_unknown_target_is_refused(written):
    with pytest.raises(ConfigError, match=r"--to nothing.*onnx.*other"):
        export("run", "a.onnx", to="nothing")
