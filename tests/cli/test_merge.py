"""Shards of `earmark predict` and `earmark prepare`, and `earmark merge`."""

import json
import shutil

import pytest

from earmark.system import file_state


@pytest.fixture
def listed(sounds, tmp_path):
    """IN/{0,1,2,3}.wav in another order, with a file that cannot be read."""
    (sounds / "bad.wav").touch()
    names = ["in/3.wav", "in/bad.wav", "in/0.wav", "in/2.wav", "in/1.wav"]
    path = tmp_path / "list.txt"
    path.write_text("".join(f"{name}\n" for name in names))
    return path


@pytest.mark.parametrize("way", ["list", pytest.param("folder", marks=pytest.mark.slow)])
def test_shards_of_a_list_and_of_a_folder_make_one_table(
    earmark, model, listed, tmp_path, way, monkeypatch
):
    monkeypatch.setattr(file_state, "SETTLING_NS", -1)
    files = ("--files-from", listed) if way == "list" else ("in",)
    assert earmark("predict", model, *files, "-o", "whole.csv").exit_code == 1
    statuses = [
        earmark("predict", model, *files, "-o", "r.csv", "--shard", f"{number}/3").exit_code
        for number in (3, 1, 2)
    ]
    assert sorted(statuses) == [0, 0, 1]
    parts = sorted(tmp_path.glob("r.csv.*-of-3"))
    result = earmark("merge", *parts, "-o", "r.csv", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "output": "r.csv", "num_files": 5, "num_failed": 1, "num_left_out": 0,
    }  # fmt: skip
    for name in ("{}", ".{}.facts.json", ".{}.states.npy"):
        whole, merged = (tmp_path / name.format(one) for one in ("whole.csv", "r.csv"))
        assert merged.read_bytes() == whole.read_bytes()
    again = earmark("predict", model, *files, "-o", "r.csv", "--resume")
    assert again.exit_code == 1
    assert (tmp_path / "r.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_what_is_missing_is_an_error(earmark, model, sounds):
    assert earmark("predict", model, "in", "-o", "r.csv", "--shard", "2/3").exit_code == 0
    result = earmark("merge", "r.csv.2-of-3", "-o", "r.csv")
    assert result.exit_code == 1
    assert {"1/3", "3/3:"} < set(result.stderr.replace(",", "").split())


def test_shards_of_vectors_make_one_table(earmark, model, listed, tmp_path, monkeypatch):
    monkeypatch.setattr(file_state, "SETTLING_NS", -1)
    words = ("embed", model, "--files-from", listed)
    assert earmark(*words, "-o", "whole.parquet").exit_code == 1
    statuses = [
        earmark(*words, "-o", "v.parquet", "--shard", f"{number}/3").exit_code
        for number in (3, 1, 2)
    ]
    assert sorted(statuses) == [0, 0, 1]
    parts = sorted(tmp_path.glob("v.parquet.*-of-3"))
    assert earmark("merge", *parts[:2], "-o", "v.parquet").exit_code == 1
    result = earmark("merge", *parts, "-o", "v.parquet", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert (document["num_files"], document["num_failed"]) == (4, 1)
    for name in ("{}", ".{}.states.npy"):
        whole, merged = (tmp_path / name.format(one) for one in ("whole.parquet", "v.parquet"))
        assert merged.read_bytes() == whole.read_bytes()
    predicted = earmark("predict", model, "in", "-o", "r.csv", "--shard", "1/3")
    assert predicted.exit_code in (0, 1)
    mixed = earmark("merge", "r.csv.1-of-3", *parts[1:], "-o", "m.parquet")
    assert mixed.exit_code == 2


@pytest.mark.slow
def test_cut_sound_of_shards_lies_where_one_machine_puts_it(earmark, model, sounds, tmp_path):
    # The two names of folders collide.
    shutil.copy(sounds / "0.wav", tmp_path / "in__0.wav")
    to = ("in/0.wav", "in/1.wav", "in__0.wav", "--split-audio")
    assert earmark("predict", model, *to, "whole").exit_code == 0
    for number in (1, 2, 3):
        earmark("predict", model, *to, "parts", "--shard", f"{number}/3")
    whole, parts = (
        sorted(one.relative_to(tmp_path / top) for one in (tmp_path / top).rglob("*.*"))
        for top in ("whole", "parts")
    )
    assert parts == whole


@pytest.mark.parametrize("shard", ["0/2", "3/2", "2"])
def test_another_shard_is_wrong_usage(earmark, model, sounds, shard):
    assert earmark("predict", model, "in", "--shard", shard).exit_code == 2


def test_standard_input_is_not_divided(earmark, model):
    assert earmark("predict", model, "-", "--shard", "1/2").exit_code == 2


def test_shards_of_features_fill_one_store(earmark, sound_folder, tmp_path):
    def prepare(*options):
        result = earmark("prepare", sound_folder, "--json", *options)
        assert result.exit_code == 0
        found = json.loads(result.stdout)
        return found["num_clips"], found["num_computed"]

    shared = [prepare("-o", "shared", "--shard", f"{number}/2") for number in (1, 2)]
    assert sum(num_computed for _, num_computed in shared) == 24
    assert prepare("-o", "shared") == (24, 0)
    # Machines without a shared disk: the folders of their stores are copied into one.
    for number in (1, 2):
        prepare("-o", str(number), "--shard", f"{number}/2")
        shutil.copytree(tmp_path / str(number), tmp_path / "joined", dirs_exist_ok=True)
    assert prepare("-o", "joined") == (24, 0)
