"""Settings from dictionaries, files and single texts."""

from pathlib import Path

import pytest

from earmark.config import (
    Config,
    ConvBlockConfig,
    as_config,
    load_config,
    override,
)
from earmark.errors import ConfigError


def test_an_argument_may_be_a_configuration_a_file_or_nothing(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text("[train]\nepochs = 3\n")
    config = load_config(settings=["train.epochs=3"])
    assert as_config(config) is config
    assert as_config(file) == as_config(str(file)) == config
    assert as_config(None) == Config()
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        as_config(Path("nowhere.toml"))


def test_no_file_gives_the_defaults():
    assert load_config() == Config()


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
        ("epochs=3", "section.key=value"),
        ("train.epochs", "section.key=value"),
        ("train.epoch=3", r"train\.epoch .*train\.epochs"),
        ("trainn.epochs=3", r"trainn .*train\?"),
        ("train.zzz=3", r"train\.zzz$"),
        ("model.blocks.0.channelz=3", r"model\.blocks\.0\.channels\?"),
        ("model.blocks.4.channels=3", "model.blocks.4.channels"),
        ("model.blocks.first.channels=3", "model.blocks.first.channels"),
        ("train.epochs.x=3", "train.epochs.x"),
        ("train.epochs=3.5", "train.epochs: "),
        ("train.epochs='3'", "train.epochs: "),
        ("train.epochs=true", "train.epochs: "),
        ("train.epochs=2020-01-01", "train.epochs: "),
        ("train.epochs=0", "train.epochs: "),
        ("train.learning_rate=nan", "train.learning_rate: "),
        ("features.power=inf", "features.power: "),
        ("features.mel_scale=bark", "features.mel_scale: .*slaney.*htk"),
        ("features.n_fft=1023", "n_fft = 1023"),
        ("features.f_max=900000.0", "f_max = 900000.0"),
        ("features.f_min=900000.0", "f_min = 900000.0"),
        ("train.validation_fraction=0.8", "validation_fraction .*test_fraction"),
        ("predict.overlap=1.0", "predict.overlap: "),
        ("model.blocks=[]", "model.blocks: "),
        ("features.n_fft=68719476736", "features.n_fft: .*65536"),
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
def test_an_invalid_setting_is_named_with_its_path(setting, message):
    with pytest.raises(ConfigError, match=message):
        load_config(settings=[setting])


@pytest.mark.parametrize("setting", ["features.f_max=9000.0", "features.f_min=8000.0"])
def test_a_band_alone_raises_the_sample_rate_which_still_may_be_chosen(setting):
    config = load_config(settings=[setting])
    assert config.features.sample_rate == 22_050
    assert "features.sample_rate" not in config.given
    with pytest.raises(ConfigError, match=setting.partition(".")[2].partition("=")[0]):
        load_config(settings=[setting, "features.sample_rate=16000"])


def test_a_refit_needs_a_first_training_with_held_out_validation():
    with pytest.raises(ConfigError, match=r"refit .*hold_out_validation"):
        load_config(settings=["train.refit=true", "train.hold_out_validation=false"])


def test_all_errors_of_a_file_are_reported_at_once(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("[train]\nepochs = -1\nbatchsize = 8\n[features]\nhop_length = 'x'\n[modelz]\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    for part in ("train.epochs:", "train.batchsize", "features.hop_length:", "modelz"):
        assert part in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "config.toml: "),
        (b"epochs =", "config.toml: "),
        (b"\xff\xfe", "config.toml: "),
    ],
)
def test_a_file_that_is_not_toml_is_named(tmp_path, content, message):
    path = tmp_path / "config.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_a_single_setting_that_is_no_list_is_refused():
    with pytest.raises(ConfigError, match=r"train\.epochs=3"):
        load_config(settings="train.epochs=3")


@pytest.mark.parametrize("digits", ["9" * 5000, "0x" + "f" * 5000, "[" * 5000])
def test_a_number_of_thousands_of_digits_is_one_error(tmp_path, digits):
    path = tmp_path / "a.toml"
    path.write_text(f"[train]\nepochs = {digits}\n")
    with pytest.raises(ConfigError, match=r"a\.toml"):
        load_config(path)
    with pytest.raises(ConfigError):
        load_config(settings=[f"train.epochs={digits}"])
