"""Settings are strict, frozen, and the same after a trip through TOML."""

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
    override,
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
def test_toml_and_plain_tables_give_the_settings_back(tmp_path_factory, config):
    path = tmp_path_factory.getbasetemp() / "config.toml"
    path.write_text(config.to_toml(), encoding="utf-8")
    assert load_config(path) == config
    assert config_from_dict(config.to_dict()) == config


def test_no_file_gives_the_defaults():
    assert load_config() == Config()


def test_settings_that_are_not_given_are_left_out_of_the_tables():
    assert "f_max" not in Config().to_dict()["features"]
    assert "pool_stride" not in Config().to_toml()


def test_a_section_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        Config().train.epochs = 3


def test_half_the_sample_rate_is_the_top_when_f_max_is_not_given():
    assert FeatureConfig(sample_rate=22_050).top_frequency == 11_025
    assert FeatureConfig(f_max=7000.0).top_frequency == 7000


def test_one_number_stands_for_both_axes():
    assert ConvBlockConfig(kernel_size=3, padding=0).kernel_size == (3, 3)
    assert ConvBlockConfig(kernel_size=3, padding=0).padding == (0, 0)


@pytest.mark.parametrize(
    ("setting", "section", "name", "value"),
    [
        ("train.epochs=3", "train", "epochs", 3),
        (" train.epochs = 3 ", "train", "epochs", 3),
        ("train.learning_rate=1", "train", "learning_rate", 1.0),
        ("features.mel_scale=htk", "features", "mel_scale", "htk"),
        ('features.mel_scale="htk"', "features", "mel_scale", "htk"),
        ("features.f_max=7e3", "features", "f_max", 7000.0),
        ("predict.overlap=0", "predict", "overlap", 0.0),
    ],
)
def test_a_setting_is_parsed_as_toml_or_taken_as_a_bare_word(setting, section, name, value):
    changed = getattr(getattr(override(Config(), [setting]), section), name)
    assert (changed, type(changed)) == (value, type(value))


def test_a_number_in_the_path_picks_from_a_list():
    blocks = load_config(settings=["model.blocks.1.channels=24"]).model.blocks
    assert [block.channels for block in blocks] == [16, 24, 24, 28]


def test_a_table_in_a_setting_replaces_the_list():
    blocks = load_config(settings=["model.blocks=[{channels=4, kernel_size=[3, 1]}]"]).model.blocks
    assert blocks == (ConvBlockConfig(channels=4, kernel_size=(3, 1)),)


def test_settings_come_after_the_file_and_the_last_one_wins(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("[train]\nepochs = 5\npatience = 2\n")
    config = load_config(path, ["train.epochs=6", "train.epochs=7"])
    assert (config.train.epochs, config.train.patience) == (7, 2)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epochs=3", "write section.key=value, such as train.epochs=3"),
        ("train.epochs", "write section.key=value"),
        ("train.epoch=3", r"unknown setting train.epoch \(did you mean train.epochs\?\)"),
        ("trainn.epochs=3", r"unknown setting trainn \(did you mean train\?\)"),
        ("train.zzz=3", r"unknown setting train.zzz$"),
        ("model.blocks.0.channelz=3", r"did you mean model.blocks.0.channels\?"),
        ("model.blocks.4.channels=3", "4 is not one of 0 to 3"),
        ("model.blocks.first.channels=3", "first is not one of 0 to 3"),
        ("train.epochs.x=3", "epochs is a single value, not a table"),
        ("train.epochs=3.5", "train.epochs: input should be a valid integer"),
        ("train.epochs='3'", "train.epochs: input should be a valid integer"),
        ("train.epochs=true", "train.epochs: input should be a valid integer"),
        ("train.epochs=2020-01-01", "train.epochs: input should be a valid integer"),
        ("train.epochs=0", "train.epochs: input should be greater than or equal to 1"),
        ("train.learning_rate=nan", "train.learning_rate: input should be a finite number"),
        ("features.power=inf", "features.power: input should be a finite number"),
        ("features.mel_scale=bark", "features.mel_scale: input should be 'slaney' or 'htk'"),
        ("features.n_fft=1023", "n_fft = 1023 is odd"),
        ("features.win_length=2048", "win_length = 2048 is longer than n_fft = 1024"),
        ("features.f_max=9000.0", "f_max = 9000.0 Hz is above half the sample rate, 8000.0 Hz"),
        ("features.f_min=8000.0", "f_min = 8000.0 Hz is not below 8000.0 Hz"),
        ("train.validation_fraction=0.8", "leave nothing to train on"),
        ("predict.overlap=1.0", "predict.overlap: input should be less than 1"),
        ("model.blocks=[]", "model.blocks: .* at least 1 item"),
        (
            "features.n_fft=68719476736",
            "features.n_fft: input should be less than or equal to 65536",
        ),
        ("features.hop_length=65537", "features.hop_length: .* equal to 65536"),
        ("features.n_mels=1025", "features.n_mels: .* equal to 1024"),
        ("model.blocks.0.channels=4097", "model.blocks.0.channels: .* equal to 4096"),
        ("model.blocks.0.kernel_size=1025", "model.blocks.0.kernel_size.0: .* equal to 1024"),
        ("model.blocks.0.padding=1025", "model.blocks.0.padding.0: .* equal to 1024"),
        ("train.crop_seconds=3601", "train.crop_seconds: .* equal to 3600"),
        ("train.batch_size=65537", "train.batch_size: .* equal to 65536"),
        ("train.max_crops=10001", "train.max_crops: .* equal to 10000"),
    ],
)
def test_a_wrong_setting_is_named_with_its_path(setting, message):
    with pytest.raises(ConfigError, match=message):
        load_config(settings=[setting])


def test_the_longest_window_is_a_limit_over_two_sections():
    settings = ["train.crop_seconds=3600", "features.hop_length=57"]
    with pytest.raises(
        ConfigError, match=r"^--set: the configuration: windows of 1,010,527 frames"
    ):
        load_config(settings=settings)
    load_config(settings=[settings[0], "features.hop_length=58"])


def test_all_mistakes_of_a_file_are_reported_at_once(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("[train]\nepochs = -1\nbatchsize = 8\n[features]\nhop_length = 'x'\n[modelz]\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    for part in ("train.epochs:", "train.batchsize", "features.hop_length:", "unknown setting mod"):
        assert part in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "config.toml: cannot be read: No such file"),
        (b"epochs =", "config.toml: not a TOML file"),
        (b"\xff\xfe", "config.toml: not a TOML file"),
    ],
)
def test_a_file_that_is_not_toml_is_named(tmp_path, content, message):
    path = tmp_path / "config.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        load_config(path)
