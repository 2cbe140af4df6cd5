import json

import pytest


@pytest.mark.parametrize("option", ["--set", "--config"])
def test_the_summary_of_a_model_takes_no_settings(earmark, model, tmp_path, option):
    (tmp_path / "c.toml").write_text("")
    value = "features.n_mels=20" if option == "--set" else tmp_path / "c.toml"
    result = earmark("model", "summary", model, option, value)
    assert result.exit_code == 2
    assert str(model) in result.stderr


def test_the_summary_prints_sizes_parameters_and_multiply_adds(earmark, model):
    output = earmark("model", "summary").stdout
    for text in ("16 x 40 x 51", "13,969", "1,857,176"):
        assert text in output
    assert earmark("model", "summary", model).exit_code == 0


def test_the_list_names_each_architecture_with_its_cost_and_source(earmark):
    lines = earmark("model", "list").stdout
    facts = json.loads(earmark("model", "list", "--json").stdout)
    assert [one["name"] for one in facts] == ["audio_cnn", "bc_resnet", "cp_resnet", "linear"]
    assert (facts[0]["num_parameters"], facts[0]["num_multiply_adds"]) == (13_969, 1_857_176)
    for one in facts:
        row = next(line for line in lines.splitlines() if one["name"] in line)
        for fact in (f"{one['num_parameters']:,}", f"{one['num_multiply_adds']:,}", one["source"]):
            assert fact in row
