"""The search space: which settings can be searched, and what sampled values become."""

import re
import tomllib

import pytest

from earmark.config import Config, TuneConfig, config_from_dict, load_config
from earmark.errors import ConfigError
from earmark.training.tuning.space import SearchSpace


def space_of(text, *settings):
    return SearchSpace(load_config(settings=[f"tune.space={{{text}}}", *settings]))


def test_the_default_space_searches_what_matters_most():
    paths = set(SearchSpace(Config()).dimensions)
    assert paths >= {
        "train.learning_rate",
        "train.weight_decay",
        "train.batch_size",
        "train.crop_seconds",
        "model.dropout",
        "model.blocks",
        "model.blocks.*",
    }


def test_the_default_space_holds_the_default_settings():
    table, space = Config().to_dict(), SearchSpace(Config())
    for path, one in space.dimensions.items():
        if path.startswith("model.blocks"):
            continue
        section, key = path.split(".")
        value = table[section][key]
        assert value in one.choices if one.choices else one.low <= value <= one.high, path
    channels = "-".join(str(block["channels"]) for block in table["model"]["blocks"])
    assert channels in space.labels["model.blocks"]


def test_every_choice_of_blocks_pools_alike_and_keeps_its_kernel_centred():
    space = SearchSpace(Config())
    depths = set()
    for label in space.labels["model.blocks"]:
        for kernel in space.labels["model.blocks.*"]:
            blocks = space.apply({"model.blocks": label, "model.blocks.*": kernel}).model.blocks
            depths.add(len(blocks))
            pooled = 1
            for block in blocks:
                pooled *= block.pool_size[1]
                assert block.kernel_size[0] == 2 * block.padding[0] + 1
            assert pooled == 16
    assert depths == {2, 3, 4}


def test_the_default_space_leaves_blocks_out_where_the_network_has_none():
    config = load_config(settings=["model.name=other"])
    assert not [path for path in SearchSpace(config).dimensions if "blocks" in path]


def test_sampled_values_are_set_and_the_rest_stays():
    space = space_of('"train.batch_size"={low=4, high=8}, "train.epochs"=[3]', "train.patience=2")
    config = space.apply({"train.batch_size": 5})
    assert (config.train.batch_size, config.train.epochs, config.train.patience) == (5, 100, 2)
    assert config.tune == TuneConfig()


def test_a_list_is_placed_before_what_changes_its_items():
    space = space_of(
        '"model.blocks.*.channels"=[8], "model.blocks"=[[{channels=4}, {channels=4, dropout=0.5}]]'
    )
    config = space.apply({"model.blocks": "4-4", "model.blocks.*.channels": "8"})
    assert [block.channels for block in config.model.blocks] == [8, 8]
    assert config.model.blocks[1].dropout == 0.5
    again = space.apply({"model.blocks": "4-4"})
    assert [block.channels for block in again.model.blocks] == [4, 4]


def test_a_table_changes_what_it_names_and_leaves_the_rest():
    space = space_of("features=[{n_fft=512, win_length=400}]", "features.n_mels=30")
    features = space.apply({"features": "512"}).features
    assert (features.n_fft, features.win_length, features.n_mels) == (512, 400, 30)


def test_choices_with_the_same_short_name_are_numbered():
    space = space_of('"model.blocks.*"=[{kernel_size=3, padding=1}, {kernel_size=3, padding=0}]')
    assert space.labels["model.blocks.*"] == ("3 (1)", "3 (2)")
    assert space.value("model.blocks.*", "3 (2)") == {"kernel_size": 3, "padding": 0}


def test_there_is_a_front_end_for_every_combination_of_its_choices():
    space = space_of(
        '"features.n_mels"=[20, 30], "features.hop_length"=[160, 320], "train.epochs"=[1, 2]'
    )
    found = {(one.features.n_mels, one.features.hop_length) for one in space.front_ends()}
    assert found == {(20, 160), (20, 320), (30, 160), (30, 320)}
    assert len(list(SearchSpace(Config()).front_ends())) == 1


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('"train.learning_rat"=[0.1]', "train.learning_rate"),
        ('"model.blocks.*.chanels"=[4]', "model.blocks.0.channels"),
        ('"model.blocks.4.channels"=[4]', "model.blocks.4.channels"),
        ('"train.batch_size"=[8, 0]', "train.batch_size = 0: "),
        ('"train.batch_size"={low=0, high=8}', "train.batch_size = 0: "),
        ('"model.dropout"={low=0.0, high=1.0}', "model.dropout = 1.0: "),
        ('"train.batch_size"={low=1.0, high=8.0}', "train.batch_size = 1.0: "),
        ('"train.batch_size"={low=8, high=4}', "train.batch_size: "),
        ('"train.batch_size"={low=8}', "train.batch_size: "),
        ('"train.batch_size"={choices=[8], low=4}', "train.batch_size: "),
        ('"train.learning_rate"={low=1, high=0.5}', "train.learning_rate: "),
        ('"train.learning_rate"={low=0.0, high=0.5, log=true}', "train.learning_rate: "),
        ('"train.learning_rate"={low=0.1, hihg=0.5}', "learning_rate.high"),
        ('"train.learning_rate"=[]', "train.learning_rate"),
        ('"train.learning_rate"=0.1', "train.learning_rate: "),
        ('"train.split_seed"=[1]', "train.split_seed"),
        ("train=[{test_fraction=0.3}]", "train.test_fraction"),
        ('"train.hold_out_validation"=[true, false]', "train.hold_out_validation"),
        ('"train.refit"=[true, false]', "train.refit"),
        ('"train.task"=["binary"]', "train.task"),
        ('"tune.trials"=[1]', "tune.trials"),
        ('"evaluate.confidence"=[0.9]', "evaluate.confidence"),
        ('"features.n_mels"={low=20, high=30}', "features.n_mels"),
        ("", "tune.space: "),
    ],
)
def test_an_invalid_space_is_refused_and_names_the_path(text, path):
    with pytest.raises(ConfigError, match=re.escape(path)):
        space_of(text)


def test_the_space_goes_through_toml():
    dropout = '"model.dropout"={low=0.0, high=0.5}'
    text = f'"train.batch_size"=[8], "model.blocks"=[[{{channels=4}}]], {dropout}'
    config = load_config(settings=[f"tune.space={{{text}}}"])
    assert config_from_dict(tomllib.loads(config.to_toml())) == config
