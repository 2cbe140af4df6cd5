import logging

import pytest

from earmark.data.manifest import read_manifest
from earmark.errors import ConfigError, DataError
from earmark.labelling.imports.excerpts import BACKGROUND, ExcerptOptions
from earmark.labelling.imports.run import import_file_names, import_labels

MULTI = ExcerptOptions(multi_label=True)


@pytest.fixture
def data(tmp_path, write_clip):
    """DATA/{a,b,c,d}.wav of 3 s, and a function that writes a label file among them."""
    folder = tmp_path / "data"
    for number, name in enumerate("abcd"):
        write_clip(folder / f"{name}.wav", 3.0, 8000, seed=number)

    def write(**texts):
        for name, text in texts.items():
            stem, _, suffix = name.rpartition("_")
            (folder / f"{stem}.{suffix}").write_text(text, encoding="utf-8")
        return folder

    return write


def rows(result):
    return [
        (one.path.name, one.excerpt.start, one.excerpt.end, ";".join(one.labels))
        for one in result.manifest.recordings
    ]


def failed(result):
    return [(str(one.path).rpartition("/")[2], one.error) for one in result.failed]


WREN = "1\t2\twren\n"
WINDOWS = [(0.0, 1.0, BACKGROUND), (1.0, 2.0, "wren"), (2.0, 3.0, BACKGROUND)]


def test_the_manifest_reads_back(data, tmp_path, caplog):
    folder = data(a_txt=WREN + "\\\t500\t4000\n", b_csv="start,end,label\n0.5,3,tit\n")
    result = import_labels(folder)
    assert rows(result) == [
        *(("a.wav", *one) for one in WINDOWS),
        *(("b.wav", start, start + 1, "tit") for start in (0.0, 1.0, 2.0)),
    ]
    result.write(tmp_path / "lists" / "m.csv")
    with caplog.at_level(logging.INFO, "earmark"):
        manifest = read_manifest(tmp_path / "lists" / "m.csv")
    # The columns with frequency limits are known.
    assert manifest.notes == ()
    assert [one.labels for one in manifest.recordings] == [
        one.labels for one in result.manifest.recordings
    ]
    assert manifest.recordings[1].extra == {"low_hz": "500", "high_hz": "4000"}
    assert result.to_dict()["num_without_labels"] == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1\t2\ta\n1.5\t2.5\tb\n", "rows? 1.*row 2.*overlap"),
        ("1\t3.2\ta\n", "row 1: end 3.2 s is after the end"),
        ("4\t5\ta\n", "row 1: start 4 s is after the end"),
        ("2\t1\ta\n", "row 1: end 1 s is before"),
        ("1,5\t2\ta\n", "row 1: .*point, 1.5"),
        ("1\t2\t\n", "row 1: no label"),
        ("", "empty"),
    ],
)
def test_a_bad_file_is_named_and_the_others_are_imported(data, text, why):
    result = import_labels(data(a_txt=WREN, b_txt=text, c_txt=WREN))
    assert rows(result) == [(name, *one) for name in ("a.wav", "c.wav") for one in WINDOWS]
    ((name, message),) = failed(result)
    assert name == "b.txt"
    assert "\n" not in message
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(message)


def test_a_recording_with_one_bad_label_file_is_left_out_whole(data):
    folder = data(a_txt=WREN, a_csv="start,end,label\nx,2,a\n", b_txt=WREN)
    result = import_labels(folder)
    assert rows(result) == [("b.wav", *one) for one in WINDOWS]
    (folder / "a.csv").write_bytes("start,end,label\n1,2,M\xf6we\n".encode("latin-1"))
    result = import_labels(folder)
    assert rows(result) == [("b.wav", *one) for one in WINDOWS]
    assert "line 2" in result.failed[0].error


def test_a_bad_row_of_a_table_concerns_its_recording(data):
    head = "path,start,end,label\n"
    lines = ("a.wav,1,2,wren", "b.wav,1,2,wren", "b.wav,9,9.5,wren", "c.wav,2,1,x", "e.wav,1,2,x")
    result = import_labels(data(all_csv=head + "\n".join(lines)) / "all.csv")
    assert rows(result) == [("a.wav", *one) for one in WINDOWS]
    assert len(result.failed) == 3
    places = ("row 4", "row 5", "e.wav")
    assert all(any(one in error for _, error in failed(result)) for one in places)


def test_several_label_files_about_one_recording(data):
    folder = data(a_txt=WREN, a_csv="start,end,label\n1,2,wren\n2,3,tit\n")
    result = import_labels(folder)
    assert rows(result) == [("a.wav", *one) for one in (*WINDOWS[:2], (2.0, 3.0, "tit"))]
    (folder / "a.csv").write_text("start,end,label\n1.5,3,tit\n")
    (clash,) = import_labels(folder).failed
    assert "a.csv" in clash.error
    assert "a.txt" in clash.error
    assert [one[3] for one in rows(import_labels(folder, options=MULTI))] == [
        *(BACKGROUND, "tit;wren", "tit"),
    ]


def test_a_grid_of_another_recording_is_refused(data, fixtures):
    folder = data()
    content = (fixtures / "praat_long_utf8.TextGrid").read_bytes()
    (folder / "a.TextGrid").write_bytes(content)
    result = import_labels(folder / "a.TextGrid", tiers=["call"])
    assert "10 s" in result.failed[0].error
    assert len(result.manifest) == 0


def test_the_last_window_of_birdnet_ends_with_the_recording(data, write_clip):
    folder = data(a_csv="Start (s),End (s),Common name,Confidence\n0,3,wren,0.9\n3,6,tit,0.8\n")
    write_clip(folder / "a.wav", 4.5, 8000)
    options = ExcerptOptions(whole=True, background=False)
    assert rows(import_labels(folder, options=options)) == [
        ("a.wav", 0.0, 3.0, "wren"),
        ("a.wav", 3.0, 4.5, "tit"),
    ]


def test_labels_of_whole_recordings(data):
    folder = data(all_csv="file,kind,who\na.wav,song,x\nb.wav,call,x\n")
    columns = {"path": "file", "label": "kind", "group": "who"}
    result = import_labels(folder, columns=columns)
    assert rows(result) == [("a.wav", 0.0, None, "song"), ("b.wav", 0.0, None, "call")]
    assert {one.group for one in result.manifest.recordings} == {"x"}
    (folder / "all.csv").write_text("file,kind,who\na.wav,song,x\na.wav,call,y\nb.wav,call,x\n")
    result = import_labels(folder, columns=columns)
    assert rows(result) == [("b.wav", 0.0, None, "call")]


def test_files_that_hold_no_labels(data):
    folder = data(readme_txt="hello\n", a_txt=WREN)
    assert import_labels(folder).to_dict()["ignored"] == [str(folder / "readme.txt")]
    (folder / "b.csv").write_text("hello,you\n1,2\n")
    # Beside a recording of its name it may be meant as one.
    assert [name for name, _ in failed(import_labels(folder))] == ["b.csv"]
    assert failed(import_labels(folder / "readme.txt"))


def test_an_import_into_its_own_folder_can_be_repeated(data):
    folder = data(a_txt="1.2\t2\twren\n")
    first = import_labels(folder)
    first.write(folder / "labels.csv")
    again = import_labels(folder)
    assert rows(again) == rows(first)
    assert again.left_out.ignored == [folder / "labels.csv"]
    # It is read where it is meant.
    assert len(import_labels(folder / "labels.csv").manifest) == len(first.manifest)


def test_a_broken_recording_is_named(data):
    folder = data(a_txt=WREN, b_txt=WREN)
    (folder / "b.wav").write_bytes(b"RIFF")
    result = import_labels(folder)
    assert [name for name, _ in failed(result)] == ["b.wav"]
    assert rows(result) == [("a.wav", *one) for one in WINDOWS]


def test_wrong_calls(data):
    with pytest.raises(DataError):
        import_labels(data() / "none")
    with pytest.raises(DataError):
        import_labels(data(), audio=data() / "none")
    with pytest.raises(ConfigError):
        import_labels(data(), columns={"begin": "x"})


def test_names_with_a_label_and_other_fields(tmp_path, write_clip):
    for name in ("blues.00001", "blues.00002", "rock.00001", "odd"):
        write_clip(tmp_path / "in" / f"{name}.wav", 0.2)
    result = import_file_names(tmp_path / "in", "{label}.{number}.wav")
    assert [(one.labels, dict(one.extra)) for one in result.manifest.recordings] == [
        (("blues",), {"number": "00001"}),
        (("blues",), {"number": "00002"}),
        (("rock",), {"number": "00001"}),
    ]
    assert all(not one.has_group for one in result.manifest.recordings)
    assert [name for name, _ in failed(result)] == ["odd.wav"]


def test_names_with_a_group_in_folders_of_labels(tmp_path, write_clip, caplog):
    for name in ("bed/9a_nohash_0", "bed/9a_nohash_1", "cat/9a_nohash_0"):
        write_clip(tmp_path / "in" / f"{name}.wav", 0.2)
    with caplog.at_level(logging.INFO, "earmark"):
        result = import_file_names(tmp_path / "in", "{group}_nohash_{take}.wav")
    assert [(one.labels, one.group, one.extra["take"]) for one in result.manifest.recordings] == [
        (("bed",), "9a", "0"),
        (("bed",), "9a", "1"),
        (("cat",), "9a", "0"),
    ]
    # What was read from a few files is shown.
    assert "bed/9a_nohash_0.wav: label bed, group 9a, take 0" in caplog.messages
    result.write(tmp_path / "m.csv")
    assert len(read_manifest(tmp_path / "m.csv")) == 3


@pytest.mark.parametrize("pattern", ["{label}_{start}", "name", "{label}{take}"])
def test_wrong_patterns(tmp_path, pattern):
    with pytest.raises(ConfigError):
        import_file_names(tmp_path, pattern)
