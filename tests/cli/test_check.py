import json

import pytest

from earmark.data.fingerprint import DataFingerprint
from earmark.data.manifest import read_manifest


@pytest.fixture
def few_sounds(tmp_path, write_clip):
    """Two labels of two clips each, for which no shortcut is searched."""
    for index, label in enumerate(["music", "music", "speech", "speech"]):
        kind = "tone" if label == "music" else "noise"
        write_clip(tmp_path / "few" / label / f"{index}.wav", kind=kind, seed=index)
    return tmp_path / "few"


def test_sound_data_have_no_findings_and_are_not_written_to(earmark, sound_folder):
    before = sorted(sound_folder.rglob("*"))
    result = earmark("check", sound_folder, "--json", "--strict")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert (document["num_errors"], document["num_warnings"]) == (0, 0)
    assert sorted(sound_folder.rglob("*")) == before


def test_the_fingerprint_of_training_and_validation_data_is_shown(earmark, write_clip, tmp_path):
    for seed, split in enumerate(("training", "training", "validation", "testing")):
        for label, kind in {"music": "tone", "speech": "noise"}.items():
            path = tmp_path / "few" / split / label / f"{seed}.wav"
            write_clip(path, kind=kind, seed=2 * seed + (label == "speech"))
    page = tmp_path / "page.html"
    document = json.loads(earmark("check", "few", "--json", "-o", page).stdout)
    found = DataFingerprint.from_dict(document["fingerprint"])
    assert (found.task, found.num_clips, found.sample_rates) == ("binary", 6, {16_000: 6})
    assert "Fingerprint" in page.read_text()
    shown = earmark("check", "few").stdout
    assert all(line in shown for line in found.summary())


def test_the_exit_status_is_one_for_errors_and_for_warnings_if_strict(
    earmark, few_sounds, write_clip
):
    write_clip(few_sounds / "music" / "silent.wav", kind="silence")
    result = earmark("check", few_sounds, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["num_warnings"] >= 1
    assert earmark("check", few_sounds, "--strict").exit_code == 1
    (few_sounds / "music" / "bad.wav").write_text("text")
    result = earmark("check", few_sounds)
    assert result.exit_code == 1
    assert "bad.wav" in result.stdout


def test_the_page_is_written_where_it_is_asked_for(earmark, few_sounds, tmp_path):
    assert earmark("check", few_sounds, "-o", tmp_path / "check.html").exit_code == 0
    assert "</html>" in (tmp_path / "check.html").read_text()


@pytest.mark.parametrize("label", ["\\x1b[31mred", "b\\x1b]0;P\\x07"])
@pytest.mark.parametrize("column", ["label", "path", "group", "other"])
def test_control_characters_of_names_never_reach_the_terminal(
    earmark, few_sounds, tmp_path, label, column
):
    name = label.encode().decode("unicode_escape")
    cells = {"path": "music/0.wav", "label": "x", "group": "a", "other": "b"} | {column: name}
    table = few_sounds / "table.csv"
    table.write_text(",".join(cells) + "\n" + ",".join(cells.values()) + "\n", newline="")
    result = earmark("check", table)
    assert "\x1b" not in result.output
    assert "\x07" not in result.output
    if column != "other":
        assert result.exit_code == 1
        assert "\\x1b" in result.output


def test_a_device_in_a_manifest_is_one_bad_file(earmark, few_sounds):
    table = few_sounds / "table.csv"
    table.write_text("path,label\nmusic/0.wav,a\nspeech/2.wav,b\n/dev/zero,a\n")
    result = earmark("check", table)
    assert result.exit_code == 1
    assert "/dev/zero: not a regular file" in result.output


def test_files_that_crash_their_decoder_are_findings(
    earmark, few_sounds, write_clip, hostile_decoder
):
    for seed, name in enumerate(("crash", "memory"), start=10):
        write_clip(few_sounds / "music" / f"{name}.wav", seed=seed)
    result = earmark("check", few_sounds, "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)["findings"]
    causes = {one["paths"][0]: one["cause"] for one in found if one["kind"] == "unreadable"}
    assert causes == {"music/crash.wav": "crashed", "music/memory.wav": "memory"}


def test_labels_that_are_probably_wrong_are_shown(
    earmark, few_sounds, tmp_path, write_cross_validation
):
    manifest = read_manifest(few_sounds)
    rows = {one.name: (0.2, 0.8) for one in manifest.recordings}
    folder = write_cross_validation(tmp_path / "cv", manifest, [rows])
    page = tmp_path / "check.html"
    options = ("check", few_sounds, "--cross-validation", folder)
    document = json.loads(earmark(*options, "-o", page, "--json").stdout)
    assert [one["path"] for one in document["label_issues"]] == ["music/0.wav", "music/1.wav"]
    assert set(document["label_issues"][0]) == {"path", "label", "predicted", "probability"}
    assert page.read_text().count("<audio") == 2
    result = earmark(*options)
    assert (result.exit_code, result.stdout.count("music/1.wav")) == (0, 2)
    assert earmark("check", few_sounds, "--cross-validation", tmp_path).exit_code == 1
