import pytest

from earmark.errors import DataError

RAVEN = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)"
BOX = "Spectrogram 1\t1\t1.5\t2.5\t500\t4000.5"


def test_what_crowsetta_writes(fixtures, read, rows):
    found = read("a.txt", (fixtures / "crowsetta.Table.1.selections.txt").read_bytes())
    assert rows(found) == [(1.5, 2.75, "EATO"), (4.25, 4.5, 'say "hi"')]
    assert [one.limits for one in found.annotations] == [(2878.2, 4049.0), (500.0, 3902.7)]


def test_raven_lists_a_selection_once_for_each_view_and_quotes_nothing(read, rows):
    text = (
        f"{RAVEN}\tSpecies\n"
        '1\tWaveform 1\t1\t1.5\t2.5\t\t\t"wren" call\n'
        f'1\t{BOX}\t"wren" call\n'
        f"2\t{BOX}\trobin\n"
    )
    found = read("a.selections.txt", text)
    assert rows(found) == [(1.5, 2.5, '"wren" call'), (1.5, 2.5, "robin")]
    assert {one.limits for one in found.annotations} == {(500.0, 4000.5)}


def test_raven_tables_of_several_recordings_count_from_each_file(read, rows):
    head = f"{RAVEN}\tBegin File\tAnnotation"
    lines = [f"1\t{BOX}\ta.wav\tx", "2\tSpectrogram 1\t1\t61\t62.5\t1\t9\tb.wav\ty"]
    (problem,) = read("a.txt", "\n".join([head, *lines])).problems
    assert "File Offset (s)" in problem.why
    offsets = ("File Offset (s)", "1.5", "1")
    text = "\n".join(f"{one}\t{two}" for one, two in zip([head, *lines], offsets, strict=True))
    found = read("a.txt", text)
    assert rows(found) == [(1.5, 2.5, "x"), (1.0, 2.5, "y")]
    assert [one.recording for one in found.annotations] == ["a.wav", "b.wav"]


def test_kaleidoscope_by_hand_before_automatic(read, rows):
    text = (
        "INDIR,FOLDER,IN FILE,CHANNEL,OFFSET,DURATION,Fmin,TOP1MATCH,MANUAL ID\n"
        "/data,site1,a.wav,0,10.5,0.7,2,wren,\n"
        "/data,,b.wav,0,11.2,0.3,3,wren,tit\n"
    )
    found = read("cluster.csv", text)
    assert rows(found) == [(10.5, 11.2, "wren"), (11.2, 11.5, "tit")]
    assert [one.recording for one in found.annotations] == ["site1/a.wav", "b.wav"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "a.BirdNET.results.csv",
            "Start (s),End (s),Scientific name,Common name,Confidence,File\n"
            "0.0,3.0,Turdus merula,Eurasian Blackbird,0.8123,/data/site1/a.wav\n",
        ),
        (
            "a.BirdNET.results.kaleidoscope.csv",
            "INDIR,FOLDER,IN FILE,OFFSET,DURATION,scientific_name,common_name,confidence,lat,lon\n"
            "/data,site1,a.wav,0.0,3.0,Turdus merula,Eurasian Blackbird,0.8123,-1,-1\n",
        ),
        (
            "a.BirdNET.results.r.csv",
            "filepath,start,end,scientific_name,common_name,confidence,lat,lon,week\n"
            "/data/site1/a.wav,0.0,3.0,Turdus merula,Eurasian Blackbird,0.8123,-1,-1,-1\n",
        ),
        (
            "a.BirdNET.selection.table.txt",
            f"{RAVEN}\tCommon Name\tSpecies Code\tConfidence\tBegin Path\tFile Offset (s)\n"
            "1\tSpectrogram 1\t1\t60.0\t63.0\t0\t15000\tEurasian Blackbird\teurbla\t0.8123\t"
            "/data/site1/a.wav\t0\n",
        ),
    ],
)
def test_the_tables_of_birdnet(read, rows, name, text):
    found = read(name, text)
    assert rows(found) == [(0.0, 3.0, "Eurasian Blackbird")]
    (one,) = found.annotations
    assert one.probability == 0.8123
    assert one.recording.endswith("site1/a.wav")
    assert found.overhang_seconds == 3.0


def test_birdnet_found_nothing(read):
    text = f"{RAVEN}\tCommon Name\n1\tSpectrogram 1\t1\t0\t3.0\t0\t15000\tnocall\n"
    found = read("a.BirdNET.selection.table.txt", text)
    assert (found.annotations, found.problems) == ([], [])


def test_columns_that_are_named(read, rows):
    text = "Begin,Stop,What,Who\n1,2.5,song,wren\n"
    columns = {"start": "begin", "end": "Stop", "label": "Who"}
    assert rows(read("a.csv", text, columns=columns)) == [(1.0, 2.5, "wren")]
    columns = {"start": "Begin", "duration": "Stop", "label": "What"}
    assert rows(read("a.csv", text, columns=columns)) == [(1.0, 3.5, "song")]
    raven = f"{RAVEN}\tSpecies\tCall\n1\t{BOX}\twren\tsong\n"
    assert rows(read("a.txt", raven, columns={"label": "Call"})) == [(1.5, 2.5, "song")]


def test_labels_of_whole_recordings(read, rows):
    found = read(
        "esc.csv",
        "filename,fold,target,category,src_file\n1-100032-A-0.wav,1,0,dog,100032\n",
        columns={"path": "filename", "label": "category", "fold": "fold", "group": "src_file"},
    )
    assert rows(found) == [(0.0, None, "dog")]
    assert found.annotations[0].facts == {"group": "100032", "fold": "1"}


@pytest.mark.parametrize(
    ("text", "columns", "role"),
    [
        (f"{RAVEN}\n1\t{BOX}\n", {}, "label"),
        ("Selection\tBegin Time (s)\tSpecies\n1\t2\twren\n", {}, "end"),
        ("a,b\n1,2\n", {"label": "b", "end": "a"}, "start"),
        ("a,b\n1,2\n", {"label": "c"}, "'c'"),
    ],
)
def test_a_missing_column_is_named_with_the_others(read, text, columns, role):
    (problem, *_) = read("a.txt", text, columns=columns).problems
    assert problem.where == "header"
    assert role in problem.why
    assert "the columns are" in problem.why


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("2,1,a", "before"),
        ("1,1,a", "both"),
        ("x,1,a", "number"),
        ("1,2,", "no label"),
        (",2,a", "no start"),
        ("1,,a", "no end"),
        ('"1,5",2,a', "point, 1.5"),
        ("1,2,a,b", "more cells"),
        ("1,2,a;b", "';'"),
    ],
)
def test_a_bad_row_is_named(read, row, why):
    found = read("a.csv", f"start,end,label\n0,1,a\n{row}\n")
    assert [one.where for one in found.problems] == ["row 3"]
    assert why in found.problems[0].why
    assert len(found.annotations) == 1


def test_decimal_commas_between_semicolons(read):
    (problem,) = read("a.csv", "start;end;label\n0,5;1;a\n").problems
    assert "point, 0.5" in problem.why


def test_a_quote_that_is_never_closed(read):
    assert read("a.csv", 'start,end,label\n0,1,"a\n').problems


def test_encodings(read, rows):
    text = "start,end,label\n0,1,Möwe\n"
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        assert rows(read("a.csv", text.encode(encoding))) == [(0.0, 1.0, "Möwe")]
    with pytest.raises(DataError, match="line 2"):
        read("a.csv", text.encode("latin-1"))


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.doc"])
def test_other_files_are_no_label_files(read, name):
    found = read(name, "some,words\n1,2\n")
    assert not found.is_known
    assert found.problems


def test_an_empty_file_is_refused(read):
    with pytest.raises(DataError):
        read("a.txt", "\n")
