"""`earmark search`: similar moments, for people, for programs and as a page."""

import json
import shutil

import pytest


@pytest.fixture
def table(earmark, model, sounds):
    assert earmark("embed", model, sounds, "-o", "v.parquet").exit_code == 0
    return "v.parquet"


def test_the_best_moment_is_the_query_itself_and_the_page_holds_its_sound(
    earmark, table, sounds, tmp_path
):
    result = earmark("search", table, "in/2.wav", "--json", "-n", 3, "--page", "results.html")
    document = json.loads(result.stdout)
    assert (document["query"], document["start"]) == ("in/2.wav", None)
    first = document["matches"][0]
    assert (first["path"], first["start"]) == ("in/2.wav", 0.0)
    assert first["similarity"] == pytest.approx(1.0, abs=1e-5)
    assert len(document["matches"]) == 3
    page = (tmp_path / "results.html").read_text()
    assert page.count('src="data:audio/mpeg;base64,') == 4
    assert page.count("in/2.wav") >= 2
    (sounds / "0.wav").unlink()
    result = earmark("search", table, "in/2.wav", "-n", 30, "--page", "results.html")
    assert result.exit_code == 0
    assert "No audio" in (tmp_path / "results.html").read_text()


def test_a_model_that_has_moved_is_named_and_another_one_refused(
    earmark, table, model, save_model, tmp_path
):
    moved = tmp_path / "moved.safetensors"
    shutil.move(model, moved)
    assert earmark("search", table, "in/2.wav").exit_code == 1
    assert earmark("search", table, "in/2.wav", "--model", moved, "--start", 0.5).exit_code == 0
    other = save_model("other", always=[1.0])
    assert earmark("search", table, "in/2.wav", "--model", other).exit_code == 1
    for words in (("--start", -1), ("--start", 99), ("-n", 0)):
        assert earmark("search", table, "in/2.wav", "--model", moved, *words).exit_code != 0
