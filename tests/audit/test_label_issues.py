import shutil
from dataclasses import replace

import pytest

from earmark.audit.audit import check
from earmark.audit.label_issues import audit_labels
from earmark.data.manifest import read_manifest
from earmark.errors import DataError
from earmark.features.store import default_root
from earmark.system.progress import SILENT


@pytest.fixture
def few(tmp_path, write_clip):
    """Two labels of three clips each."""
    for index in range(6):
        label = ("music", "speech")[index % 2]
        write_clip(tmp_path / "few" / label / f"{index}.wav", seed=index)
    return read_manifest(tmp_path / "few")


@pytest.fixture
def folder(tmp_path, few, write_cross_validation):
    """A cross-validation that doubts the labels of two clips."""
    rows = {
        one.name: (0.9, 0.1) if one.labels == ("music",) else (0.1, 0.9) for one in few.recordings
    }
    rows |= {"music/2.wav": (0.2, 0.8), "speech/3.wav": (0.95, 0.05)}
    return write_cross_validation(tmp_path / "cv", few, [rows])


def relabel(manifest, **labels):
    recordings = tuple(
        replace(one, labels=(labels[one.path.stem],)) if one.path.stem in labels else one
        for one in manifest.recordings
    )
    known = tuple(sorted({label for one in recordings for label in one.labels}))
    return replace(manifest, recordings=recordings, labels=known)


def audit(manifest, folder):
    found = audit_labels(manifest, folder, default_root(), SILENT)
    findings = {(one.kind, one.severity): one.paths for one in found.findings}
    return [one.to_dict() for one in found.issues], findings


def test_labels_that_are_probably_wrong_are_listed_best_first(few, folder):
    issues, findings = audit(few, folder)
    assert issues == [
        {"path": "speech/3.wav", "label": "speech", "predicted": "music", "probability": 0.95},
        {"path": "music/2.wav", "label": "music", "predicted": "speech", "probability": 0.8},
    ]
    assert findings == {("wrong_label", "warning"): ("speech/3.wav", "music/2.wav")}
    whole = check(few, cross_validation=folder)
    assert whole.to_dict()["label_issues"] == issues
    assert "wrong_label" in [one.kind for one in whole.findings]


def test_without_a_cross_validation_nothing_is_known_of_the_labels(few):
    assert check(few).to_dict()["label_issues"] is None


def test_several_seeds_are_averaged(tmp_path, few, write_cross_validation):
    sure = {
        one.name: (1.0, 0.0) if one.labels == ("music",) else (0.0, 1.0) for one in few.recordings
    }
    rows = [sure, {**sure, "music/2.wav": (0.0, 1.0)}, {**sure, "music/2.wav": (0.2, 0.8)}]
    issues, _ = audit(few, write_cross_validation(tmp_path / "cv", few, rows))
    assert [(one["path"], one["probability"]) for one in issues] == [
        ("music/2.wav", pytest.approx(0.6))
    ]


def test_recordings_are_found_by_their_content_wherever_they_lie(few, folder, tmp_path):
    expected = [one["predicted"] for one in audit(few, folder)[0]]
    moved = tmp_path / "moved"
    for one in few.recordings:
        place = moved / one.labels[0] / f"new_{one.path.name}"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(one.path, place)
    issues, findings = audit(read_manifest(moved), folder)
    assert [one["path"] for one in issues] == ["speech/new_3.wav", "music/new_2.wav"]
    assert [one["predicted"] for one in issues] == expected
    assert set(findings) == {("wrong_label", "warning")}


def test_a_recording_that_was_not_predicted_is_named(few, folder, write_clip):
    write_clip(few.source / "music" / "7.wav", seed=7)
    write_clip(few.source / "speech" / "3.wav", seed=8)
    issues, findings = audit(read_manifest(few.source), folder)
    assert [one["path"] for one in issues] == ["music/2.wav"]
    assert findings["not_cross_validated", "warning"] == ("music/7.wav", "speech/3.wav")


def test_a_label_counts_as_it_is_now(few, folder):
    issues, findings = audit(relabel(few, **{"3": "music", "0": "speech"}), folder)
    assert [one["path"] for one in issues] == ["music/0.wav", "music/2.wav"]
    assert findings["changed_label", "note"] == ("music/0.wav", "speech/3.wav")


def test_a_label_that_no_network_knows_is_named_and_not_compared(few, folder):
    issues, findings = audit(relabel(few, **{"3": "siren"}), folder)
    assert [one["path"] for one in issues] == ["music/2.wav"]
    assert findings["not_cross_validated", "warning"] == ("speech/3.wav",)


def test_each_of_several_labels_is_compared(tmp_path, few, write_cross_validation):
    recordings = tuple(
        replace(one, labels=("music", "speech")) if one.path.stem == "0" else one
        for one in few.recordings
    )
    both = replace(few, recordings=recordings)
    rows = {one.name: (0.9, 0.1) if one.labels == ("music",) else (0.1, 0.9) for one in recordings}
    rows |= {"music/0.wav": (0.9, 0.02), "music/2.wav": (0.9, 0.7)}
    folder = write_cross_validation(tmp_path / "cv", both, [rows], task="multi_label")
    issues, _ = audit(both, folder)
    assert [(one["path"], one["label"], one["predicted"]) for one in issues] == [
        ("music/0.wav", "music;speech", "music"),
        ("music/2.wav", "music", "music;speech"),
    ]


def test_the_background_is_a_label_like_any_other(tmp_path, few, write_cross_validation):
    data = relabel(few, **{"1": "_background_", "3": "_background_", "5": "_background_"})
    rows = {
        one.name: (0.9, 0.1) if "_background_" in one.labels else (0.3, 0.7)
        for one in data.recordings
    }
    rows["music/2.wav"] = (0.8, 0.2)
    folder = write_cross_validation(tmp_path / "cv", data, [rows])
    issues, _ = audit(data, folder)
    assert [(one["path"], one["predicted"]) for one in issues] == [("music/2.wav", "_background_")]


def test_a_cross_validation_of_other_data_is_refused(folder, tmp_path, write_clip):
    for index in range(2):
        write_clip(tmp_path / "other" / str(index) / "a.wav", seed=20 + index)
    with pytest.raises(DataError, match="cv"):
        audit(read_manifest(tmp_path / "other"), folder)


@pytest.mark.parametrize("name", ["result.json", "predictions.csv", "config.toml"])
def test_a_folder_without_a_finished_cross_validation_is_refused(few, folder, name):
    (folder / name).unlink()
    with pytest.raises(DataError, match="cv"):
        audit(few, folder)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("predictions.csv", lambda text: text.replace("0.95", "nan")),
        ("predictions.csv", lambda text: text.replace("0.95", "1.5")),
        ("predictions.csv", lambda text: text.replace(",0.95,0.05", "")),
        ("predictions.csv", lambda text: text.replace("music,speech", "speech,music")),
        ("predictions.csv", lambda text: ""),
        ("result.json", lambda text: text[:-5]),
        ("result.json", lambda text: "[]"),
        ("recordings.csv", lambda text: text.replace("music,", "speech,")),
    ],
)
def test_a_damaged_cross_validation_is_refused(few, folder, name, change):
    file = folder / name
    text = file.read_text()
    assert change(text) != text
    file.write_text(change(text))
    with pytest.raises(DataError, match=name if "csv" in name else "cv"):
        audit(few, folder)
