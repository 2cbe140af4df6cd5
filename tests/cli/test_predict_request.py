from pathlib import Path

import pytest

from earmark.cli.predict_request import Request, name_models
from earmark.errors import ConfigError


@pytest.mark.parametrize(
    ("models", "names"),
    [
        (["a.onnx", "b.safetensors"], ["a", "b"]),
        (["/x/run", "/y/run", "/x/other"], ["x_run", "y_run", "other"]),
        (["/x/a.onnx", "/x/A"], ["model1", "model2"]),
        (["/x_a/b", "/x/a/b"], ["x_a_b", "a_b"]),
        (["/x/y/..", "/z"], ["x", "z"]),
    ],
)
def test_names_of_models_differ(models, names):
    assert name_models([Path(one) for one in models]) == names


def test_a_model_given_twice_is_refused():
    with pytest.raises(ConfigError, match="twice"):
        name_models([Path("a"), Path("./b/../a")])


def test_the_files_of_models_are_apart():
    request = Request(Path(), output=Path("d/r.csv"), segments_to=Path("s"), split_to=Path("p"))
    own = request.for_model(Path("m.onnx"), "m")
    assert (own.output, own.segments_to) == (Path("d/r.m.csv"), Path("s/m"))
    assert (own.split_to, own.model, own.name) == (Path("p/m"), Path("m.onnx"), "m")
    bare = Request(Path()).for_model(Path("m"), "m")
    assert (bare.output, bare.segments_to, bare.split_to) == (None, None, None)
