"""Recipes on the command line: listed, shown, and given to what trains."""

import json
import tomllib

import pytest

from earmark.config import config_from_dict, recipe_names


def test_every_recipe_is_listed(earmark):
    listed = json.loads(earmark("recipe", "list", "--json").stdout)
    assert [one["name"] for one in listed] == list(recipe_names())
    assert all(one["description"] for one in listed)
    assert "tiny" in earmark("recipe", "list").stdout


def test_a_recipe_is_shown_as_toml(earmark):
    shown = earmark("recipe", "show", "tiny")
    assert tomllib.loads(shown.stdout)["recipe"]["parameters"] == 15_000


def test_a_recipe_is_shown_for_data_with_all_settings_and_reasons(earmark, sound_folder, tmp_path):
    shown = earmark(
        *("recipe", "show", "auto", sound_folder, "--store", tmp_path / "store"),
        *("--set", "features.n_mels=10", "--budget", "parameters=20000"),
    )
    assert shown.exit_code == 0, shown.output
    table = tomllib.loads(shown.stdout)
    assert table["recipe"] == {"name": "auto", "rules": False, "parameters": 20_000}
    assert table["features"]["n_mels"] == 10
    assert config_from_dict(table).to_dict() == table
    before = shown.stdout.partition("sample_rate = ")[0].splitlines()[-1]
    assert before.startswith("# ")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("recipe", "show", "huge"), "auto, classic, tiny"),
        (("recipe", "show", "auto", "--set", "train.epochs=2"), "DATA"),
        (("train", "{data}", "-o", "run", "--recipe", "huge"), "recipe.name"),
        (("train", "{data}", "-o", "run", "--budget", "hours=1"), "minutes"),
        (("train", "{data}", "-o", "run", "--budget", "minutes"), "parameters"),
        (("tune", "{data}", "-o", "run", "--budget", "minutes=0"), "recipe.minutes"),
        (
            ("train", "{data}", "-o", "run", "--recipe", "classic", "--budget", "parameters=9"),
            "recipe.parameters = 9",
        ),
    ],
)
def test_misuse_is_a_usage_error(earmark, sound_folder, arguments, named):
    result = earmark(*(one.format(data=sound_folder) for one in arguments))
    assert (result.exit_code, result.stdout) == (2, "")
    assert named in result.stderr


def test_training_says_and_keeps_what_it_chose(earmark, sound_folder, tmp_path):
    small = ("--set", "model.blocks.0.channels=2", "--set", "train.epochs=1", "--device", "cpu")
    command = ("train", sound_folder, "-o", "run", "--store", tmp_path / "store", *small, "--json")
    result = earmark(*command)
    assert result.exit_code == 0, result.output
    recipe = json.loads(result.stdout)["recipe"]
    assert recipe["name"] == "auto"
    chosen = {one["setting"]: one for one in recipe["choices"]}
    assert all(set(one) == {"setting", "value", "reason"} for one in recipe["choices"])
    assert "front end: " in result.stderr
    run = tmp_path / "run"
    table = tomllib.loads((run / "config.toml").read_text())
    for setting, one in chosen.items():
        section, _, key = setting.partition(".")
        assert table[section][key] == one["value"]
    assert json.loads((run / "choices.json").read_text())["choices"] == recipe["choices"]
    fingerprint = json.loads((run / "fingerprint.json").read_text())
    assert fingerprint["num_clips"] == 18
    # The file of a run reproduces it: nothing is chosen then.
    again = earmark(
        *("train", sound_folder, "-o", "again", "--store", tmp_path / "store", "--json"),
        *("--config", run / "config.toml", "--device", "cpu"),
    )
    assert json.loads(again.stdout)["recipe"] == {"name": "auto", "choices": []}
    logs = [
        [{**line, "elapsed_seconds": 0} for line in map(json.loads, text.splitlines())]
        for text in ((tmp_path / name / "log.jsonl").read_text() for name in ("run", "again"))
    ]
    assert logs[0] == logs[1]
