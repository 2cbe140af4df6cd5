import math

import pytest

from earmark.config import load_config
from earmark.errors import ConfigError
from earmark.exporters.graph_form import GraphForm
from earmark.models.spec import ModelSpec

SPEC = ModelSpec(load_config(), ("music", "speech"), window_frames=51)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({}, ("batch", "samples")),
        ({"static": True}, (1, 16_000)),
        ({"seconds": 2.5}, (1, 40_000)),
        ({"static": True, "seconds": 0.1}, (1, 1600)),
        ({"takes": "log-mel"}, ("windows", 1, 40, 51)),
        ({"takes": "log-mel", "static": True}, (1, 1, 40, 51)),
    ],
)
def test_the_shape_of_the_input(options, shape):
    assert GraphForm.of(options).shape(SPEC) == shape


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"takes": "mp3"}, "mp3"),
        ({"takes": "log-mel", "seconds": 1.0}, "--seconds"),
        ({"seconds": 0.09}, "--seconds 0.09"),
        ({"seconds": 601.0}, "--seconds 601"),
        ({"seconds": math.nan}, "--seconds nan"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        GraphForm.of(options)
