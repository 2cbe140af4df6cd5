"""Parts of vectors of several shards, as machines write them, and the table that they make."""

import json
import os
import random
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from earmark.errors import ConfigError, DataError
from earmark.inference.embedding import EmbeddedFile, Embeddings
from earmark.inference.parts import part_folder
from earmark.labelling import vector_merge, vector_pieces
from earmark.labelling.vector_merge import merge_vectors
from earmark.labelling.vector_part import VectorPart
from earmark.labelling.vector_table import VectorTable
from earmark.labelling.vectors import read_vectors
from earmark.system.shards import Shard, ShardFiles

DIMENSIONS = 3
FACTS = {"kind": "model", "model": "here", "digest": "d"}
LIST = [f"in/{number}.wav" for number in range(30)]


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Many pieces and groups of rows, each small."""
    monkeypatch.setattr(vector_pieces, "PIECE_WINDOWS", 9)
    monkeypatch.setattr(vector_pieces, "PIECE_ROW_GROUP", 4)
    for module in (vector_pieces, vector_merge):
        monkeypatch.setattr(module, "ROW_GROUP", 16)
    monkeypatch.setattr(vector_merge, "OPEN_PIECES", 2)
    monkeypatch.setattr(vector_merge, "HELD_GROUPS", 2)
    monkeypatch.setattr("earmark.system.file_state.SETTLING_NS", -1)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for name in LIST:
        (tmp_path / name).write_bytes(b"sound")
        os.utime(name, (1, 1))


def vectors_of(path, salt=""):
    """Vectors of a file, which depend on its name; None if it is one that fails."""
    rng = random.Random(f"{path.name}{salt}")
    if path.name.endswith("7.wav"):
        return None
    count = rng.randrange(1, 7)
    values = np.array([[rng.random() for _ in range(DIMENSIONS)] for _ in range(count)], np.float32)
    starts = np.arange(count) / 3
    return EmbeddedFile(path, Embeddings(starts, starts + 1.0, values), count / 3)


def fill(table, paths, salt=""):
    for path in paths:
        if not table.is_done(path) and (found := vectors_of(path, salt)) is not None:
            table.add(found)
    table.finish()


def embed_whole(path, tmp_path, listed=LIST):
    with VectorTable(path, DIMENSIONS, FACTS) as table:
        fill(table, [tmp_path / name for name in listed])
    return path


def embed_shard(shard, path, listed, *, facts=FACTS, stop_after=None, salt="", **mode):
    files = ShardFiles(shard)
    with VectorPart(path, DIMENSIONS, facts, files, **mode) as part:
        if stop_after is not None:
            fill_until = [one for one in listed[:stop_after] if files.take(one)]
            for path in fill_until:
                if not part.is_done(path) and (found := vectors_of(path)) is not None:
                    part.add(found)
            raise KeyboardInterrupt
        fill(part, filter(files.take, listed), salt)
    return part.path


@pytest.fixture
def listed(tmp_path):
    return [tmp_path / name for name in LIST]


def all_parts(path, count, listed, **mode):
    shards = [Shard(number, count) for number in range(1, count + 1)]
    return [embed_shard(shard, path, listed, **mode) for shard in shards]


def files_of(table):
    """The bytes of a table and of what lies beside it; the units name the time of the table."""
    units = table.with_name(f".{table.name}.units").read_bytes()[4096:]
    states = table.with_name(f".{table.name}.states.npy").read_bytes()
    return table.read_bytes(), states, units


def test_parts_make_the_bytes_that_one_machine_writes(tmp_path, listed):
    whole = embed_whole(tmp_path / "whole.parquet", tmp_path)
    for count in (1, 3, 20):
        parts = all_parts(tmp_path / f"{count}.parquet", count, listed)
        random.Random(count).shuffle(parts)
        merged = merge_vectors(parts, tmp_path / f"{count}.parquet")
        assert files_of(merged.path) == files_of(whole)
        assert (merged.num_files, merged.num_failed) == (27, 3)
        assert merged.num_windows == read_vectors(whole).num_windows
    assert read_vectors(whole).num_windows > 2 * vector_pieces.ROW_GROUP


def test_bytes_do_not_depend_on_the_pieces(tmp_path, monkeypatch):
    first = embed_whole(tmp_path / "first.parquet", tmp_path)
    monkeypatch.setattr(vector_pieces, "PIECE_WINDOWS", 50)
    assert embed_whole(tmp_path / "second.parquet", tmp_path).read_bytes() == first.read_bytes()


def test_paths_are_relative_to_the_merged_table(tmp_path, listed):
    parts = all_parts(tmp_path / "v.parquet", 2, listed)
    merged = merge_vectors(parts, tmp_path / "new" / "v.parquet")
    expected = embed_whole(tmp_path / "new" / "whole.parquet", tmp_path)
    assert files_of(merged.path) == files_of(expected)


def test_a_list_that_names_files_twice_makes_the_same_bytes(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "in")
    names = [LIST[3], LIST[4], LIST[3], *LIST[:6], "link/5.wav", "link/1.wav", LIST[1]]
    whole = embed_whole(tmp_path / "whole.parquet", tmp_path, names)
    assert read_vectors(whole).num_windows == sum(
        len(vectors_of(tmp_path / name).embeddings.vectors) for name in LIST[:6]
    )
    parts = all_parts(tmp_path / "v.parquet", 3, [tmp_path / name for name in names])
    assert files_of(merge_vectors(parts, tmp_path / "v.parquet").path) == files_of(whole)


@pytest.mark.parametrize("stop_after", [0, 1, 8, 29])
def test_an_interrupted_shard_is_resumed(tmp_path, listed, stop_after):
    whole = embed_whole(tmp_path / "whole.parquet", tmp_path)
    path = tmp_path / "v.parquet"
    with pytest.raises(KeyboardInterrupt):
        embed_shard(Shard(1, 2), path, listed, stop_after=stop_after)
    rest = embed_shard(Shard(2, 2), path, listed)
    with pytest.raises(DataError, match=r"v\.parquet\.1-of-2"):
        merge_vectors([part_folder(path, Shard(1, 2)), rest], path)
    first = embed_shard(Shard(1, 2), path, listed, resume=True)
    assert files_of(merge_vectors([first, rest], path).path) == files_of(whole)


def test_a_changed_file_counts_as_it_is_now(tmp_path, listed):
    path = tmp_path / "v.parquet"
    all_parts(path, 2, listed)
    listed[4].write_bytes(b"another sound")
    parts = all_parts(path, 2, listed, resume=True, salt="now")
    merged = merge_vectors(parts, path)
    rows = [one["embedding"] for one in pq.read_table(path).to_pylist() if one["path"] == LIST[4]]
    np.testing.assert_array_equal(rows, vectors_of(listed[4], "now").embeddings.vectors)
    assert merged.num_files == 27


def test_files_that_come_and_go_are_where_a_new_list_has_them(tmp_path, listed):
    path = tmp_path / "v.parquet"
    all_parts(path, 3, listed[:20])
    changed = listed[::-1][:25]
    merged = merge_vectors(all_parts(path, 3, changed, resume=True), path)
    whole = embed_whole(tmp_path / "whole.parquet", tmp_path, LIST[::-1][:25])
    assert files_of(merged.path) == files_of(whole)
    assert merged.num_left_out == 5


def test_the_merged_table_is_resumed(tmp_path, listed):
    path = tmp_path / "v.parquet"
    merge_vectors(all_parts(path, 2, listed[:20]), path)
    with VectorTable(path, DIMENSIONS, FACTS, resume=True) as table:
        assert table.num_done == 18
        fill(table, listed)
    assert path.read_bytes() == embed_whole(tmp_path / "whole.parquet", tmp_path).read_bytes()


def test_what_is_missing_is_named(tmp_path, listed):
    path = tmp_path / "v.parquet"
    parts = all_parts(path, 3, listed)
    with pytest.raises(DataError, match="2/3"):
        merge_vectors([parts[0], parts[2]], path)
    with pytest.raises(DataError, match="elsewhere"):
        merge_vectors([*parts, tmp_path / "elsewhere"], path)
    with pytest.raises(ConfigError, match="copy"):
        merge_vectors([*parts, shutil.copytree(parts[0], tmp_path / "copy")], path)
    lost = sorted(parts[1].glob("0*.parquet"))[0]
    name = vector_pieces.piece_files(lost)[0].name
    lost.unlink()
    with pytest.raises(DataError, match=name):
        merge_vectors(parts, path)
    embed_shard(Shard(2, 3), path, listed, resume=True)
    merge_vectors(parts, path)
    for name in ("files.jsonl", "failed.jsonl"):
        (parts[0] / name).rename(tmp_path / name)
        with pytest.raises(DataError, match=name):
            merge_vectors(parts, path, overwrite=True)
        (tmp_path / name).rename(parts[0] / name)
    embed_shard(Shard(3, 3), path, listed[1:], overwrite=True)
    with pytest.raises(DataError, match="3-of-3"):
        merge_vectors(parts, path, overwrite=True)


@pytest.mark.parametrize("facts", [{"digest": "e"}, {"kind": "file"}, {"hop_seconds": 1.0}])
def test_vectors_of_two_embedders_are_not_mixed(tmp_path, listed, facts):
    path = tmp_path / "v.parquet"
    first = embed_shard(Shard(1, 2), path, listed)
    other = embed_shard(Shard(2, 2), path, listed, facts={**FACTS, **facts})
    with pytest.raises(ConfigError, match=next(iter(facts))):
        merge_vectors([first, other], path)
    assert not path.exists()


def test_the_model_may_lie_elsewhere_on_each_machine(tmp_path, listed):
    path = tmp_path / "v.parquet"
    second = embed_shard(Shard(2, 2), path, listed, facts={**FACTS, "model": "there"})
    first = embed_shard(Shard(1, 2), path, listed)
    merged = merge_vectors([second, first], path)
    assert read_vectors(merged.path).facts["model"] == "here"


def test_a_damaged_part_is_named(tmp_path, listed):
    path = tmp_path / "v.parquet"
    parts = all_parts(path, 2, listed)
    piece = parts[0] / "000000.parquet"
    content = piece.read_bytes()
    piece.write_bytes(content[:-30])
    with pytest.raises(DataError, match=r"000000\.parquet"):
        merge_vectors(parts, path)
    table = pq.read_table(piece.parent / "000001.parquet")
    files = json.loads(table.schema.metadata[b"files"])
    files[-1][-1] += 1
    metadata = {**table.schema.metadata, b"files": json.dumps(files).encode()}
    piece.write_bytes(content)
    pq.write_table(table.replace_schema_metadata(metadata), piece.parent / "000001.parquet")
    with pytest.raises(DataError, match=r"000001\.parquet"):
        merge_vectors(parts, path)
    assert not path.exists()


def test_other_files_are_replaced_on_request_only(tmp_path, listed):
    path = tmp_path / "v.parquet"
    parts = all_parts(path, 2, listed)
    path.write_text("mine")
    with pytest.raises(ConfigError):
        merge_vectors(parts, path)
    with pytest.raises(ConfigError):
        merge_vectors(parts, tmp_path / "v.csv")
    assert path.read_text() == "mine"
    merge_vectors(parts, path, overwrite=True)
    with pytest.raises(ConfigError):
        embed_shard(Shard(1, 2), path, listed)


def test_shards_without_a_file_are_parts_too(tmp_path, listed):
    path = tmp_path / "v.parquet"
    merged = merge_vectors(all_parts(path, 8, listed[:1]), path)
    assert merged.num_files == 1
    empty = merge_vectors(all_parts(tmp_path / "e.parquet", 2, []), tmp_path / "e.parquet")
    assert (empty.num_files, read_vectors(empty.path).num_windows) == (0, 0)
