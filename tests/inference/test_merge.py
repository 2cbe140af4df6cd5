"""Parts of several shards, as machines write them, and the table that they make."""

import json
import random
import shutil
from pathlib import Path

import pytest

from earmark.errors import ConfigError, DataError
from earmark.inference import result_pieces
from earmark.inference.merge import merge_parts
from earmark.inference.parts import part_folder
from earmark.inference.result_part import ResultPart
from earmark.inference.result_table import ResultTable
from earmark.system.shards import Shard, ShardFiles

LABELS = ("music", "speech")
FACTS = {"model": "1", "segments": False}
LIST = [f"in/{number}.wav" for number in range(30)]


def result(name):
    if name.endswith("7.wav"):
        return {"path": name, "error": f"{name}: the file is empty"}
    probability = random.Random(name).random()
    return {
        "path": name, "label": "music", "duration_seconds": 1 / 3,
        "probabilities": {"music": probability, "speech": 1 - probability},
    }  # fmt: skip


def predict_whole(path, listed=LIST):
    with ResultTable(path, LABELS, FACTS) as table:
        for name in listed:
            if not table.is_done(Path(name)):
                table.add(result(name))
        table.finish()
    return path


def predict_shard(shard, path, listed=LIST, *, facts=FACTS, stop_after=None, **mode):
    files = ShardFiles(shard)
    with ResultPart(path, LABELS, facts, files, **mode) as part:
        for number, name in enumerate(listed):
            if number == stop_after:
                raise KeyboardInterrupt
            if files.take(Path(name)) and not part.is_done(Path(name)):
                part.add(result(name))
        part.finish()
    return part.path


def all_parts(path, count, listed=LIST, **mode):
    shards = [Shard(number, count) for number in range(1, count + 1)]
    return [predict_shard(shard, path, listed, **mode) for shard in shards]


def files_of(table):
    return [
        one.read_bytes() for one in (table, *sorted(table.parent.glob(f".{table.name}.*")))
    ]  # fmt: skip


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(result_pieces, "PIECE_RESULTS", 3)
    monkeypatch.setattr("earmark.inference.merge.OPEN_PIECES", 2)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_parts_make_the_bytes_that_one_machine_writes(tmp_path, suffix):
    whole = predict_whole(tmp_path / f"whole.{suffix}")
    for count in (1, 3, 20):
        parts = all_parts(tmp_path / f"{count}.csv", count)
        random.Random(count).shuffle(parts)
        merged = merge_parts(parts, tmp_path / str(count) / f"whole.{suffix}")
        assert files_of(merged.path) == files_of(whole)
        assert (merged.num_files, merged.num_failed) == (30, 3)


def test_a_list_that_names_files_twice_makes_the_same_bytes(tmp_path):
    listed = [*LIST[:9], *LIST[3:20], LIST[0]]
    whole = predict_whole(tmp_path / "whole.csv", listed)
    merged = merge_parts(all_parts(tmp_path / "r.csv", 3, listed), tmp_path / "r.csv")
    assert files_of(merged.path) == files_of(whole)


@pytest.mark.parametrize("stop_after", [1, 20])
def test_an_interrupted_shard_is_resumed(tmp_path, stop_after):
    whole = predict_whole(tmp_path / "whole.csv")
    parts = all_parts(tmp_path / "r.csv", 2)
    shutil.rmtree(parts[1])
    with pytest.raises(KeyboardInterrupt):
        predict_shard(Shard(2, 2), tmp_path / "r.csv", stop_after=stop_after)
    if parts[1].exists():
        with pytest.raises(DataError, match=parts[1].name):
            merge_parts(parts, tmp_path / "r.csv")
    predict_shard(Shard(2, 2), tmp_path / "r.csv", resume=True)
    assert files_of(merge_parts(parts, tmp_path / "r.csv").path) == files_of(whole)


def test_a_finished_shard_that_is_started_again_is_unfinished_until_its_end(tmp_path):
    parts = all_parts(tmp_path / "r.csv", 2)
    with pytest.raises(KeyboardInterrupt):
        predict_shard(Shard(1, 2), tmp_path / "r.csv", stop_after=9, resume=True)
    with pytest.raises(DataError, match=parts[0].name):
        merge_parts(parts, tmp_path / "r.csv")


def test_files_that_come_and_go_are_where_a_new_list_has_them(tmp_path):
    all_parts(tmp_path / "r.csv", 3, LIST[5:20])
    listed = [LIST[25], *LIST[2:15], LIST[0]]
    parts = all_parts(tmp_path / "r.csv", 3, listed, resume=True)
    merged = merge_parts(parts, tmp_path / "r.csv")
    assert merged.num_left_out == 5
    whole = predict_whole(tmp_path / "whole.csv", listed)
    assert merged.path.read_bytes() == whole.read_bytes()


def test_missing_shards_are_named(tmp_path):
    parts = all_parts(tmp_path / "r.csv", 4)
    with pytest.raises(DataError, match="2/4, 4/4"):
        merge_parts([parts[2], parts[0]], tmp_path / "r.csv")
    assert not (tmp_path / "r.csv").exists()


def test_parts_that_are_not_there_yet_are_all_named(tmp_path):
    parts = all_parts(tmp_path / "r.csv", 3)
    for part, keep in zip(parts[1:], (["lock"], []), strict=True):
        for one in part.iterdir():
            if one.name not in keep:
                one.unlink()
    parts[2].rmdir()
    with pytest.raises(DataError, match=r"2-of-3.*3-of-3"):
        merge_parts(parts, tmp_path / "r.csv")


@pytest.mark.parametrize("lost", ["first", "last", "row"])
def test_missing_files_are_named(tmp_path, lost):
    parts = all_parts(tmp_path / "r.csv", 2)
    pieces = sorted(parts[0].glob("0*.jsonl"))
    piece = pieces[-1 if lost == "last" else 0]
    lines = piece.read_text().splitlines(keepends=True)
    names = [json.loads(line)["path"] for line in lines]
    if lost == "row":
        piece.write_text("".join(lines[1:]))
    else:
        piece.unlink()
    with pytest.raises(DataError, match=names[0]):
        merge_parts(parts, tmp_path / "r.csv")
    predict_shard(Shard(1, 2), tmp_path / "r.csv", resume=True)
    merged = merge_parts(parts, tmp_path / "r.csv")
    assert files_of(merged.path) == files_of(predict_whole(tmp_path / "whole.csv"))


def test_parts_of_another_list_are_named(tmp_path):
    first = predict_shard(Shard(1, 2), tmp_path / "r.csv")
    second = predict_shard(Shard(2, 2), tmp_path / "r.csv", LIST[:-1])
    with pytest.raises(DataError, match=second.name):
        merge_parts([first, second], tmp_path / "r.csv")


def test_parts_that_do_not_belong_together_are_refused(tmp_path):
    first = predict_shard(Shard(1, 2), tmp_path / "r.csv")
    others = [
        predict_shard(Shard(2, 2), tmp_path / "x.csv", facts={**FACTS, "model": "2"}),
        predict_shard(Shard(2, 3), tmp_path / "x.csv"),
        shutil.copytree(first, tmp_path / "copy"),
        predict_whole(tmp_path / "whole.csv"),
    ]
    for other in others:
        with pytest.raises(ConfigError, match=other.name):
            merge_parts([first, other], tmp_path / "r.csv")


def test_a_damaged_part_is_named(tmp_path):
    [part] = all_parts(tmp_path / "r.csv", 1)
    for name in ("files.jsonl", "000002.jsonl", "facts.json"):
        whole = (part / name).read_bytes()
        (part / name).write_bytes(b"{" + whole)
        with pytest.raises(DataError, match=name):
            merge_parts([part], tmp_path / "r.csv")
        (part / name).write_bytes(whole)


def test_other_files_are_replaced_on_request_only(tmp_path):
    (tmp_path / "r.csv").write_text("mine")
    parts = all_parts(tmp_path / "r.csv", 2)
    with pytest.raises(ConfigError):
        merge_parts(parts, tmp_path / "r.csv")
    assert merge_parts(parts, tmp_path / "r.csv", overwrite=True).num_files == 30


def test_segments_do_not_go_into_csv(tmp_path):
    parts = all_parts(tmp_path / "r.jsonl", 1, facts={**FACTS, "segments": True})
    with pytest.raises(ConfigError):
        merge_parts(parts, tmp_path / "r.csv")
    assert merge_parts(parts, tmp_path / "r.parquet").num_files == 30


def test_shards_without_a_file_are_parts_too(tmp_path):
    parts = all_parts(tmp_path / "r.csv", 5, LIST[:1])
    assert merge_parts(parts, tmp_path / "r.csv").num_files == 1
    assert merge_parts(all_parts(tmp_path / "s.csv", 2, []), tmp_path / "s.csv").num_files == 0


def test_a_shard_starts_again_on_request_only(tmp_path):
    part = predict_shard(Shard(1, 1), tmp_path / "r.csv")
    with pytest.raises(ConfigError, match=part.name):
        predict_shard(Shard(1, 1), tmp_path / "r.csv")
    with pytest.raises(ConfigError, match=part.name):
        predict_shard(Shard(1, 1), tmp_path / "r.csv", facts={"model": "2"}, resume=True)
    predict_shard(Shard(1, 1), tmp_path / "r.csv", LIST[:2], overwrite=True)
    assert merge_parts([part], tmp_path / "r.csv").num_files == 2


def test_one_process_writes_a_part(tmp_path):
    files = ShardFiles(Shard(1, 1))
    with (
        ResultPart(tmp_path / "r.csv", LABELS, FACTS, files),
        pytest.raises(DataError, match=part_folder(Path("r.csv"), Shard(1, 1)).name),
    ):
        ResultPart(tmp_path / "r.csv", LABELS, FACTS, files)
