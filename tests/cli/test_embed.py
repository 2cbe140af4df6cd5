"""`earmark embed`: files to a table of vectors, with a model or another ONNX file."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from earmark.inference.classifier import load_model
from earmark.labelling.vectors import read_vectors


def test_the_table_holds_what_the_model_gives(earmark, model, sounds, tmp_path):
    (sounds / "broken.wav").write_bytes(b"no sound")
    result = earmark("embed", model, sounds, "-o", "v.parquet", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert [one["path"] for one in document["skipped"]] == [str(sounds / "broken.wav")]
    rows = pq.read_table(tmp_path / "v.parquet").to_pylist()
    assert (document["path"], document["num_windows"]) == ("v.parquet", len(rows))
    expected = load_model(model).embed(sounds / "0.wav")
    of_file = [one for one in rows if one["path"] == "in/0.wav"]
    assert [one["start"] for one in of_file] == expected.start_seconds.tolist()
    assert [one["end"] for one in of_file] == expected.end_seconds.tolist()
    np.testing.assert_array_equal([one["embedding"] for one in of_file], expected.vectors)
    assert document["dimensions"] == expected.vectors.shape[1]
    (sounds / "broken.wav").unlink()
    (sounds / "3.wav").rename(sounds / "4.wav")
    again = earmark("embed", model, sounds, "-o", "v.parquet", "--json", "--resume")
    assert json.loads(again.stdout)["skipped"] == []
    assert {one["path"] for one in pq.read_table(tmp_path / "v.parquet").to_pylist()} == {
        f"in/{number}.wav" for number in range(5)
    }


def test_another_file_gives_the_vectors(earmark, write_embedder, sounds, tmp_path):
    weights = write_embedder(tmp_path / "e.onnx", ["batch", 4000])
    words = ("embed", "--embedder", "e.onnx", sounds / "0.wav", "-o", "v.parquet")
    assert earmark(*words).exit_code == 2
    details = ("--embedder-rate", 16_000, "--hop-seconds", 0.125, "--embedder-licence", "CC0")
    assert earmark(*words, *details).exit_code == 0
    vectors = read_vectors(tmp_path / "v.parquet")
    assert vectors.facts["embedder"]["licence"] == "CC0"
    samples, _ = soundfile.read(sounds / "0.wav", dtype="float32")
    rows = pq.read_table(tmp_path / "v.parquet").to_pylist()
    for row, start in zip(rows, range(0, 20_001, 2000), strict=True):
        expected = np.abs(samples[start : start + 4000] @ weights)
        np.testing.assert_allclose(row["embedding"], expected, rtol=1e-3)
        assert (row["start"], row["end"]) == (start / 16_000, start / 16_000 + 0.25)


@pytest.mark.parametrize(
    "words",
    [
        ("embed", "MODEL", "-o", "v.parquet"),
        ("embed", "MODEL", "in", "-o", "v.csv"),
        ("embed", "MODEL", "-", "-o", "v.parquet"),
        ("embed", "MODEL", "in", "-o", "v.parquet", "--resume", "--overwrite"),
        ("embed", "MODEL", "in", "-o", "v.parquet", "--hop-seconds", "-1"),
        ("embed", "MODEL", "in", "-o", "v.parquet", "--embedder-rate", "8000"),
        ("embed", "--embedder", "e.onnx", "in", "-o", "v.parquet", "--set", "predict.overlap=0"),
    ],
)
def test_wrong_usage_is_refused(earmark, model, sounds, words):
    arguments = [model if one == "MODEL" else one for one in words]
    assert earmark(*arguments).exit_code == 2
