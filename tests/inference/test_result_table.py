import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet
import pytest

from earmark.errors import ConfigError, DataError
from earmark.inference import pieces, result_pieces, result_table
from earmark.inference.result_table import ResultTable
from earmark.system import file_state

LABELS = ("music", "speech")
FACTS = {"model": "1"}
SUFFIXES = ("csv", "jsonl", "parquet")


def predicted(number, **more):
    probabilities = {"music": 0.25, "speech": 0.75}
    return {
        "path": f"{number}.wav", "label": "speech", "probabilities": probabilities,
        "duration_seconds": 1.5, **more,
    }  # fmt: skip


def failed(number):
    return {"path": f"{number}.wav", "error": f"{number}.wav: the file is empty"}


def write(path, rows, *, stop=False, facts=FACTS, **mode):
    with ResultTable(path, LABELS, facts, **mode) as table:
        for row in rows:
            if not table.is_done(Path(row["path"])):
                table.add(row)
        if stop:
            raise KeyboardInterrupt
        table.finish()
    return table


def read(path):
    if path.suffix == ".csv":
        return list(csv.DictReader(path.read_text().splitlines()))
    if path.suffix == ".jsonl":
        return list(map(json.loads, path.read_text().splitlines()))
    return pyarrow.parquet.read_table(path).to_pylist()


@pytest.fixture
def look():
    """Opens a table; its lock is released at the end, as when a process dies."""

    def open_table(path, *, resume=True):
        table = ResultTable(path, LABELS, FACTS, resume=resume, overwrite=not resume)
        opened.append(table)
        return table

    opened = []
    yield open_table
    for table in opened:
        table._pieces.close()


@pytest.fixture(params=SUFFIXES)
def path(request, tmp_path):
    return tmp_path / f"results.{request.param}"


def test_a_table_has_a_row_for_each_file(path):
    table = write(path, [predicted(0), failed(1)])
    assert table.num_failed == 1
    first, second = read(path)
    assert (first["path"], first["label"]) == ("0.wav", "speech")
    assert second["error"] == "1.wav: the file is empty"
    if path.suffix == ".jsonl":
        assert [first, second] == [predicted(0), failed(1)]
    else:
        assert (float(first["probability_speech"]), float(first["duration_seconds"])) == (0.75, 1.5)
        assert not second["label"]
    hidden = {path.with_name(f".{path.name}.{name}") for name in ("facts.json", "states.npy")}
    assert set(path.parent.iterdir()) == {path, *hidden}


def test_several_labels_are_joined_in_a_cell(tmp_path):
    row = {"path": "a.wav", "labels": ["music", "speech"], "probabilities": {}}
    write(tmp_path / "r.csv", [row, {**row, "path": "b.wav", "labels": []}])
    assert [one["label"] for one in read(tmp_path / "r.csv")] == ["music;speech", ""]


def test_segments_are_a_list_in_a_cell(tmp_path):
    segments = [{"start": 0.0, "end": 1.5, "label": "speech", "probability": 0.75}]
    for name in ("r.parquet", "r.jsonl"):
        write(tmp_path / name, [predicted(0, segments=segments)])
        assert read(tmp_path / name)[0]["segments"] == segments


def test_a_resumed_table_equals_an_uninterrupted_one(path, tmp_path):
    rows = [predicted(0), failed(1), predicted(2), predicted(3)]
    with pytest.raises(KeyboardInterrupt):
        write(path, rows[:2], stop=True)
    assert not path.exists()
    with ResultTable(path, LABELS, FACTS, resume=True) as again:
        assert again.num_done == 2
        assert [again.is_done(Path(one["path"])) for one in rows] == [True, True, False, False]
    assert write(path, rows, resume=True).num_failed == 1
    whole = tmp_path / f"whole{path.suffix}"
    write(whole, rows)
    assert read(path) == read(whole)


def test_a_finished_table_grows_with_its_list(path, tmp_path):
    rows = [predicted(number) for number in range(4)]
    write(path, rows[:2])
    table = write(path, rows, resume=True)
    assert table.num_done == 2
    write(tmp_path / f"whole{path.suffix}", rows)
    assert read(path) == read(tmp_path / f"whole{path.suffix}")


def test_a_finished_table_is_replaced_only_if_that_is_said(path):
    write(path, [predicted(0)])
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=rf"{path.name}: .*--resume.*--overwrite"):
        write(path, [predicted(1)])
    assert path.read_bytes() == before
    assert list(path.parent.glob("*.pieces*")) == []
    write(path, [predicted(1)], overwrite=True)
    assert [one["path"] for one in read(path)] == ["1.wav"]


def test_a_file_that_is_no_table_is_replaced_only_if_that_is_said(path):
    path.write_text("my notes")
    with pytest.raises(ConfigError, match=path.name):
        write(path, [predicted(1)])
    assert path.read_text() == "my notes"
    write(path, [predicted(1)], overwrite=True)
    assert [one["path"] for one in read(path)] == ["1.wav"]


def test_interrupted_work_can_be_started_again(path):
    with pytest.raises(KeyboardInterrupt):
        write(path, [predicted(0)], facts={"model": "2"}, stop=True)
    assert write(path, [predicted(1)], overwrite=True).num_done == 0
    assert [one["path"] for one in read(path)] == ["1.wav"]


def test_work_that_replaces_a_table_replaces_it_when_it_goes_on(path):
    rows = [predicted(number) for number in range(3)]
    write(path, rows)
    with pytest.raises(KeyboardInterrupt):
        write(path, rows[:1], stop=True, overwrite=True)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            write(path, [], resume=True, stop=True)
    assert write(path, rows, resume=True).num_done == 1
    assert [one["path"] for one in read(path)] == ["0.wav", "1.wav", "2.wav"]


@pytest.mark.parametrize("step", ["facts", "rename", "remove"])
@pytest.mark.parametrize("kept", [0, 1])
def test_a_process_that_dies_while_it_finishes_leaves_each_row_once(
    path, monkeypatch, look, step, kept
):
    rows = [failed(0), predicted(1), predicted(2)]
    write(path, [predicted(3), *rows][: 1 + kept])
    monkeypatch.setattr(result_pieces, "PIECE_RESULTS", 1)
    table = look(path, resume=bool(kept))
    for row in rows[kept:]:
        table.add(row)
    rename = Path.replace

    def die(*_, **__):
        raise SystemExit

    def die_at_a_folder(one, to):
        return die() if one.is_dir() else rename(one, to)

    with monkeypatch.context() as patch:
        if step == "facts":
            patch.setattr(result_table, "atomic_write", die)
        elif step == "rename":
            patch.setattr(Path, "replace", die_at_a_folder)
        else:
            patch.setattr(pieces.shutil, "rmtree", die)
        with pytest.raises(SystemExit):
            table.finish()
    table._pieces.close()
    again = write(path, rows, resume=True)
    names = ["3.wav"] * kept + ["0.wav", "1.wav", "2.wav"]
    assert [one["path"] for one in read(path)] == names
    assert again.num_failed == 1
    assert list(path.parent.glob("*.pieces*")) == []


def test_work_that_replaces_a_table_does_so_even_if_it_dies_at_once(path, look):
    write(path, [predicted(0), predicted(1)])
    look(path, resume=False)._pieces.close()
    with pytest.raises(KeyboardInterrupt):
        write(path, [], stop=True, overwrite=True)
    assert write(path, [predicted(1)], resume=True).num_done == 0
    assert [one["path"] for one in read(path)] == ["1.wav"]


def test_work_of_others_that_died_at_once_costs_no_table(path, look):
    write(path, [predicted(0)])
    with pytest.raises(KeyboardInterrupt):
        write(path, [], facts={"model": "2"}, stop=True, overwrite=True)
    write(path, [predicted(1)], resume=True)
    assert [one["path"] for one in read(path)] == ["0.wav", "1.wav"]


def test_who_has_finished_leaves_the_work_of_the_next_alone(path, monkeypatch, look):
    monkeypatch.setattr(result_pieces, "PIECE_RESULTS", 1)
    with ResultTable(path, LABELS, FACTS, resume=False) as table:
        table.finish()
        other = look(path)
        other.add(predicted(0))
    other._pieces.close()
    assert write(path, [], resume=True).num_done == 1


def test_work_without_a_result_leaves_nothing_behind(path):
    with pytest.raises(KeyboardInterrupt):
        write(path, [], stop=True)
    assert list(path.parent.iterdir()) == []


def test_a_process_that_dies_before_its_first_piece_blocks_nobody(path, look):
    look(path, resume=False)._pieces.close()
    assert write(path, [predicted(0)], facts={"model": "2"}).num_done == 0


def test_a_process_that_dies_loses_a_piece_at_most(path, monkeypatch, look):
    monkeypatch.setattr(result_pieces, "PIECE_RESULTS", 3)
    table = look(path, resume=False)
    for number in range(8):
        table.add(predicted(number))
    table._pieces.close()
    assert look(path).num_done == 6


def test_a_piece_is_written_when_its_time_has_come(path, monkeypatch, look):
    monkeypatch.setattr(result_pieces, "PIECE_SECONDS", -1.0)
    table = look(path, resume=False)
    table.add(predicted(0))
    table._pieces.close()
    assert look(path).num_done == 1


def test_a_table_that_cannot_be_written_leaves_the_old_one_and_the_pieces(path, monkeypatch):
    write(path, [predicted(0)])
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    with ResultTable(path, LABELS, FACTS, overwrite=True) as table:
        table.add(predicted(1))
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", full)
            with pytest.raises(OSError, match="No space left"):
                table.finish()
    assert path.read_bytes() == before
    assert [one["path"] for one in read(write(path, [], resume=True).path)] == ["1.wav"]


def test_pieces_are_not_lost_or_mixed_by_mistake(path):
    with pytest.raises(KeyboardInterrupt):
        write(path, [predicted(0)], stop=True)
    with pytest.raises(ConfigError, match=r"\.pieces: .*--resume"):
        write(path, [predicted(0)])
    with pytest.raises(ConfigError, match=rf"{path.name}\.pieces: "):
        write(path, [predicted(0)], facts={"model": "2"}, resume=True)


def test_only_one_process_writes_a_table(path, look):
    look(path, resume=False)
    with pytest.raises(DataError, match=path.name):
        look(path)


def test_a_process_that_is_killed_gives_the_table_free(path):
    code = (
        "import sys, time; from pathlib import Path\n"
        "from earmark.inference.result_table import ResultTable\n"
        "table = ResultTable(Path(sys.argv[1]), ('music', 'speech'), {}, resume=False)\n"
        "print('open', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "open\n"
        with pytest.raises(DataError, match=path.name):
            ResultTable(path, LABELS, {}, resume=False)
        process.kill()
        process.wait()
    with ResultTable(path, LABELS, {}, resume=False) as table:
        assert table.num_done == 0


def test_other_columns_are_refused(tmp_path):
    for name in ("r.csv", "r.parquet"):
        write(tmp_path / name, [predicted(0)])
        with pytest.raises(DataError, match=rf"{name}: .*probability_music"):
            ResultTable(tmp_path / name, ("a", "b"), FACTS, resume=True)


def test_other_formats_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"r\.xlsx: .*\.csv, \.jsonl, \.parquet"):
        ResultTable(tmp_path / "r.xlsx", LABELS, FACTS, resume=False)


def test_names_need_not_be_unicode(path):
    name = "caf\udce9.wav"
    write(path, [{**predicted(0), "path": name}])
    table = write(path, [{**predicted(0), "path": name}, predicted(1)], resume=True)
    assert table.num_done == 1
    assert len(read(path)) == 2


@pytest.fixture
def sounds(tmp_path, monkeypatch):
    """Three files that were last changed long ago."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(file_state, "SETTLING_NS", -1)
    for number in range(3):
        Path(f"{number}.wav").write_bytes(b"old sound")
    return tmp_path


def change(path):
    stat = path.stat()
    time.sleep(0.03)
    path.write_bytes(b"new sound")
    os.utime(path, ns=(0, stat.st_mtime_ns))


@pytest.mark.parametrize("stop", [False, True])
def test_files_that_have_changed_are_predicted_again(sounds, path, stop):
    rows = [predicted(0), failed(1), predicted(2)]
    try:
        write(path, rows, stop=stop)
    except KeyboardInterrupt:
        assert not path.exists()
    change(Path("1.wav"))
    Path("2.wav").unlink()
    again = [predicted(0, duration_seconds=9.0), predicted(1), failed(2)]
    table = write(path, again, resume=True)
    assert (table.num_done, table.num_failed) == (2, 0)
    assert [one["path"] for one in read(path)] == ["0.wav", "2.wav", "1.wav"]
    assert not any(one.get("error") for one in read(path))
    assert write(path, again, resume=True).num_done == 3


def test_files_that_change_twice_between_interruptions_have_their_last_result(sounds, path):
    write(path, [predicted(0), predicted(1)])
    for seconds in (2.0, 3.0):
        change(Path("0.wav"))
        with pytest.raises(KeyboardInterrupt):
            write(path, [predicted(0, duration_seconds=seconds)], resume=True, stop=True)
    write(path, [predicted(0), predicted(1)], resume=True)
    found = {one["path"]: float(one["duration_seconds"]) for one in read(path)}
    assert found == {"0.wav": 3.0, "1.wav": 1.5}
    assert len(read(path)) == 2


def test_a_file_that_was_changed_just_before_is_predicted_again(sounds, path, monkeypatch):
    monkeypatch.setattr(file_state, "SETTLING_NS", 2_000_000_000)
    for _ in range(2):
        table = write(path, [predicted(0)], resume=True)
        assert table.num_done == 0
    assert len(read(path)) == 1


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"no array")])
def test_rows_without_a_record_of_their_files_are_counted(sounds, path, damage):
    write(path, [predicted(0)])
    damage(path.with_name(f".{path.name}.states.npy"))
    table = write(path, [predicted(0), predicted(1)], resume=True)
    assert (table.num_done, table.num_unknown) == (1, 1)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_finished_table_of_another_model_is_not_resumed(tmp_path, suffix):
    path = tmp_path / f"r.{suffix}"
    write(path, [predicted(0)])
    with pytest.raises(ConfigError, match=rf"r\.{suffix}: "):
        write(path, [predicted(1)], facts={"model": "2"}, resume=True)
    write(path, [predicted(1)], resume=True)
    assert [one["path"] for one in read(path)] == ["0.wav", "1.wav"]
    write(path, [predicted(2)], facts={"model": "2"}, overwrite=True)
    write(path, [predicted(3)], facts={"model": "2"}, resume=True)
    assert [one["path"] for one in read(path)] == ["2.wav", "3.wav"]
