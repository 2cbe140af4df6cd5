"""What is given stands; what is chosen is seen by the next rule."""

from earmark.config import load_config
from earmark.training.recipes.draft import Choice, Draft


def test_a_rule_sees_what_was_chosen_and_what_is_given():
    config = load_config(settings=["features.n_mels=8", "recipe.minutes=2"])
    draft = Draft(config, config.given)
    assert draft.recipe.minutes == 2
    assert draft.is_given("features.n_mels")
    assert draft.choose("features.n_mels", 64, "Never.") == 8
    assert draft.choose("train.epochs", 7, "First.") == 7
    assert draft.choose("train.epochs", 9, "Second.") == 9
    assert draft.value("train.epochs") == 9
    assert draft.value("features.f_max") is None
    assert draft.choices == [Choice("train.epochs", 9, "Second.")]


def test_a_choice_of_blocks_is_shown_by_its_channels():
    blocks = [{"channels": 8}, {"channels": 16}]
    assert str(Choice("model.blocks", blocks, "")) == "blocks 8-16"
    assert str(Choice("model.head", "pool", "")) == "head pool"
    assert str(Choice("train.crop_seconds", 0.5, "")) == "crop_seconds 0.5"
