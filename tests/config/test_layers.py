"""What is given, what a recipe has, and the defaults below them."""

import tomllib
from importlib.resources import files

import pytest

from earmark.config import (
    Config,
    FeatureConfig,
    load_config,
    override,
    recipe_names,
    recipe_text,
    with_recipe,
    with_settings,
)
from earmark.config.layers import complete, flatten
from earmark.errors import ConfigError


def test_every_recipe_in_the_package_has_a_name_and_the_other_way_round():
    there = {one.name for one in (files("earmark.config") / "recipes").iterdir()}
    assert there == {f"{name}.toml" for name in recipe_names()}
    for name in recipe_names():
        assert recipe_text(name).startswith("# ")


def test_classic_writes_out_the_defaults():
    table = tomllib.loads(recipe_text("classic"))
    defaults = dict(flatten(Config().to_dict()))
    written = dict(flatten(table))
    assert written.pop("recipe.rules") is False
    written["model.blocks"] = [
        one.model_dump(mode="json", exclude_none=True)
        for one in load_config(settings=["recipe.name=classic"]).model.blocks
    ]
    assert written == {key: defaults[key] for key in written}
    for section in ("features", "model", "augment"):
        assert {key for key in defaults if key.startswith(f"{section}.")} <= set(written)
    classic = with_recipe(load_config(settings=["recipe.name=classic"]))
    assert classic.model_copy(update={"recipe": Config().recipe}) == Config()


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_stands_below_what_is_given(name):
    config = load_config(settings=[f"recipe.name={name}", "recipe.parameters=7", "train.epochs=3"])
    found = with_recipe(config)
    assert (found.recipe.parameters, found.train.epochs) == (7, 3)
    assert found.given == {"recipe.name", "recipe.parameters", "train.epochs"}


def test_a_recipe_fills_in_what_is_not_given():
    tiny = with_recipe(load_config(settings=["recipe.name=tiny"]))
    assert tiny.recipe.parameters == 15_000
    assert tiny.recipe.rules
    assert not with_recipe(load_config(settings=["recipe.name=classic"])).recipe.rules


def test_an_unknown_recipe_names_those_that_exist():
    with pytest.raises(ConfigError, match=r"recipe\.name: .*'auto', 'classic' or 'tiny'"):
        load_config(settings=["recipe.name=huge"])
    with pytest.raises(ConfigError, match="auto, classic, tiny"):
        recipe_text("../recipe")


@pytest.mark.parametrize("setting", ["recipe.minutes=0", "recipe.parameters=0", "recipe.x=1"])
def test_a_wrong_budget_is_refused(setting):
    with pytest.raises(ConfigError, match=setting.partition("=")[0].replace(".", r"\.")):
        load_config(settings=[setting])


def test_the_network_of_a_recipe_does_not_meet_another_architecture(monkeypatch):
    text = '[model]\nhead = "mean_max"\n[train]\nepochs = 7\n'
    monkeypatch.setattr("earmark.config.layers.recipe_text", lambda name: text)
    other = with_recipe(load_config(settings=["model.name=bc_resnet"]))
    assert (other.model.head, other.train.epochs) == ("pool", 7)
    assert with_recipe(Config()).model.head == "mean_max"


def test_a_setting_of_a_recipe_that_does_not_fit_what_is_given_keeps_its_default(monkeypatch):
    text = "[augment]\nshortest = 0.5\n[train]\nepochs = 7\n"
    monkeypatch.setattr("earmark.config.layers.recipe_text", lambda name: text)
    config = with_recipe(load_config(settings=["model.head=flatten"]))
    assert (config.augment.shortest, config.train.epochs) == (1.0, 7)


def test_what_is_given_survives_every_way_to_change_a_configuration(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text("[train]\nepochs = 5\n")
    config = load_config(path, ["features.n_mels=8"])
    assert config.given == {"train.epochs", "features.n_mels"}
    assert override(config, ["train.seed=2"]).given == config.given | {"train.seed"}
    assert config.with_train(task="binary").given == config.given | {"train.task"}
    assert with_settings(config, {"train.patience": 4}).given == config.given
    assert Config().given == set()
    assert Config(features=FeatureConfig(n_mels=4)).given == {"features.n_mels"}


def test_a_part_of_the_blocks_gives_them_all():
    config = override(Config(), ["model.blocks.1.channels=24"])
    assert config.given == {"model.blocks"}
    assert [one.channels for one in config.model.blocks] == [16, 24, 24, 28]


def test_a_complete_configuration_comes_back_from_its_file_with_nothing_to_choose(tmp_path):
    config = complete(with_recipe(load_config(settings=["features.n_mels=8"])))
    path = tmp_path / "config.toml"
    path.write_text(config.to_toml())
    assert load_config(path) == config
    assert not config.recipe.rules


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"n_fft": 512}, (512, 512)),
        ({"n_fft": 4096}, (4096, 1024)),
        ({"win_length": 400}, (1024, 400)),
        ({"win_length": 1500}, (2048, 1500)),
    ],
)
def test_a_length_that_is_given_alone_gets_one_that_fits(given, expected):
    features = FeatureConfig(**given)
    assert (features.n_fft, features.win_length) == expected


def test_two_lengths_that_do_not_fit_are_an_error():
    with pytest.raises(ConfigError, match=r"win_length = 2048 .*n_fft = 1024"):
        load_config(settings=["features.win_length=2048", "features.n_fft=1024"])
