"""Settings on the vectors of an embedder: what is given stands, nothing is left to the rules."""

import pytest

from earmark.config import EmbedderConfig, FeatureConfig, load_config
from earmark.errors import ConfigError
from earmark.training.recipes.vectors import with_embedder
from earmark.training.tuning.space import SearchSpace


@pytest.fixture
def embedder():
    return EmbedderConfig(
        file="a.onnx",
        digest="d",
        licence="CC0",
        sample_rate=32_000,
        takes="waveform",
        input="sound",
        output="embedding",
        window_length=160_000,
        dimensions=1536,
    )


def test_windows_are_those_of_the_embedder(embedder):
    config = with_embedder(load_config(), embedder)
    features = config.features
    assert (features.sample_rate, features.hop_length, features.n_mels) == (32_000, 160_000, 1536)
    assert config.train.crop_seconds == 5.0
    assert not config.recipe.rules
    assert config.augment.source_frames(1) == 1


def test_a_file_of_the_settings_gives_the_same_again(embedder, tmp_path):
    config = with_embedder(load_config(), embedder)
    (tmp_path / "config.toml").write_text(config.to_toml(), encoding="utf-8")
    assert load_config(tmp_path / "config.toml") == config
    assert with_embedder(load_config(tmp_path / "config.toml"), embedder) == config


def test_what_is_given_stands(embedder):
    config = load_config(settings=["model.dropout=0.5", "train.epochs=7", "train.refit=false"])
    config = with_embedder(config, embedder)
    assert (config.model.dropout, config.train.epochs, config.train.refit) == (0.5, 7, False)


@pytest.mark.parametrize("setting", ["sample_rate", "hop_length", "n_mels"])
def test_what_the_embedder_sets_may_not_differ(embedder, setting):
    with pytest.raises(ValueError, match=setting):
        FeatureConfig.model_validate({"embedder": embedder, setting: 2000})


@pytest.mark.parametrize(
    "setting", ["features.hop_length=160", "features.f_max=4000.0", "recipe.rules=true"]
)
def test_a_setting_without_effect_is_refused(embedder, setting):
    with pytest.raises(ConfigError, match=setting.partition("=")[0]):
        with_embedder(load_config(settings=[setting]), embedder)


def test_settings_of_log_mel_values_are_those_of_the_file(embedder):
    given = load_config(settings=["features.n_mels=64"])
    update = {"takes": "log_mel", "sample_rate": 16_000, "window_length": 50}
    takes_64 = embedder.model_copy(update={**update, "front_end": given.features})
    assert with_embedder(given, takes_64).features.n_mels == 1536
    takes_40 = embedder.model_copy(update={**update, "front_end": FeatureConfig()})
    with pytest.raises(ConfigError, match="n_mels"):
        with_embedder(given, takes_40)


def test_excerpts_of_log_mel_frames_do_not_fit(embedder):
    with pytest.raises(ConfigError, match="excerpt_seconds"):
        with_embedder(load_config(settings=["evaluate.excerpt_seconds=1"]), embedder)


@pytest.mark.parametrize("setting", ["noise=0.5", "gain_db=5.0", "shortest=0.5", "time_masks=1"])
def test_vectors_are_not_augmented_as_sound(embedder, setting):
    with pytest.raises(ConfigError, match=f"augment.{setting.partition('=')[0]}"):
        with_embedder(load_config(settings=[f"augment.{setting}"]), embedder)


def test_vectors_may_be_mixed(embedder):
    mixed = with_embedder(load_config(settings=["augment.mixup=0.5"]), embedder)
    assert mixed.augment.mixup == 0.5
    with pytest.raises(ConfigError, match="mixup_domain"):
        with_embedder(
            load_config(settings=["augment.mixup=0.5", "augment.mixup_domain=energy"]), embedder
        )


def test_a_search_draws_nothing_that_is_for_sound(embedder):
    space = SearchSpace(with_embedder(load_config(), embedder))
    assert {one for one in space.dimensions if one.startswith("augment")} == {"augment.mixup"}
    assert "train.crop_seconds" not in space.dimensions
    assert len(list(space.corners())) > 3
