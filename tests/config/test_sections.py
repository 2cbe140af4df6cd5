"""Settings are strict and frozen, and the same after a trip through TOML."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from earmark.config import (
    Config,
    ConvBlockConfig,
    EvaluateConfig,
    FeatureConfig,
    ModelConfig,
    PredictConfig,
    TrainConfig,
    config_from_dict,
    load_config,
)
from earmark.errors import ConfigError

FRACTIONS = st.floats(0, 1, exclude_max=True)


POSITIVE = st.integers(1, 10_000)


SIZES = st.integers(1, 1024)


PAIRS = st.tuples(SIZES, SIZES)


@st.composite
def feature_configs(draw):
    sample_rate = draw(st.integers(1000, 768_000))
    n_fft = 2 * draw(POSITIVE)
    f_min = draw(st.floats(0, sample_rate / 2, exclude_max=True))
    top = st.floats(f_min, sample_rate / 2, exclude_min=True)
    return FeatureConfig(
        sample_rate=sample_rate,
        n_fft=n_fft,
        win_length=draw(st.integers(1, n_fft)),
        hop_length=draw(st.integers(4, 10_000)),
        n_mels=draw(st.integers(1, 1024)),
        f_min=f_min,
        f_max=draw(st.none() | top),
        mel_scale=draw(st.sampled_from(["slaney", "htk"])),
        mel_norm=draw(st.sampled_from(["slaney", "none"])),
        power=draw(st.floats(0, 10, exclude_min=True)),
    )


BLOCKS = st.builds(
    ConvBlockConfig,
    channels=st.integers(1, 4096),
    kernel_size=PAIRS | SIZES,
    padding=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    pool_stride=st.none() | PAIRS,
    dropout=FRACTIONS,
)


CONFIGS = st.builds(
    Config,
    features=feature_configs(),
    model=st.builds(
        ModelConfig,
        blocks=st.lists(BLOCKS, min_size=1, max_size=3).map(tuple),
        head=st.sampled_from(["pool", "mean_max", "flatten"]),
        dropout=FRACTIONS,
        width=st.floats(0, 32, exclude_min=True),
        rho=st.integers(0, 22),
    ),
    train=st.builds(
        TrainConfig,
        epochs=POSITIVE,
        learning_rate=st.floats(0, 1e3, exclude_min=True),
        seed=st.integers(0, 2**63 - 1),
        validation_fraction=st.floats(0.01, 0.4),
        test_fraction=st.floats(0.01, 0.4),
    ),
    evaluate=st.builds(EvaluateConfig, confidence=st.floats(0.01, 0.99)),
    predict=st.builds(PredictConfig, overlap=FRACTIONS),
)


@given(CONFIGS)
def test_toml_and_dictionaries_give_the_settings_back(tmp_path_factory, config):
    path = tmp_path_factory.getbasetemp() / "config.toml"
    path.write_text(config.to_toml(), encoding="utf-8")
    assert load_config(path) == config
    assert config_from_dict(config.to_dict()) == config


def test_settings_that_are_not_given_are_left_out_of_the_tables():
    assert "f_max" not in Config().to_dict()["features"]
    assert "pool_stride" not in Config().to_toml()


def test_a_section_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        Config().train.epochs = 3


def test_half_the_sample_rate_is_the_top_when_f_max_is_not_given():
    assert FeatureConfig(sample_rate=22_050).top_frequency == 11_025
    assert FeatureConfig(f_max=7000.0).top_frequency == 7000


def test_the_longest_window_is_a_limit_over_two_sections():
    settings = ["train.crop_seconds=3600", "features.hop_length=57"]
    with pytest.raises(
        ConfigError, match=r"1,010,527 .*train\.crop_seconds .*features\.hop_length"
    ):
        load_config(settings=settings)
    load_config(settings=[settings[0], "features.hop_length=58"])
