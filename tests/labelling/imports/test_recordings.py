import pytest

from earmark.errors import DataError
from earmark.labelling.imports.recordings import SoundFinder


@pytest.fixture
def tree(tmp_path):
    """Empty files with the names of sounds."""

    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return make


@pytest.mark.parametrize(
    "name",
    [
        *("a.txt", "a.TextGrid", "a.selections.txt", "a.Table.1.selections.txt", "a.elan.csv"),
        *("a.BirdNET.results.csv", "a.BirdNET.selection.table.txt", "a.wav.csv", "a.wav.elan.csv"),
    ],
)
def test_the_recording_beside_a_label_file(tree, name):
    folder = tree("a.wav", "ab.wav", "sub/a.wav")
    assert SoundFinder(None).for_label_file(folder / name) == folder.resolve() / "a.wav"


def test_dots_in_names_are_kept(tree):
    folder = tree("2024.wav", "2024.05.WAV")
    assert SoundFinder(None).for_label_file(folder / "2024.05.txt").name == "2024.05.WAV"
    with pytest.raises(DataError):
        SoundFinder(None).for_label_file(folder / "2024.06.txt")


def test_two_recordings_of_one_name(tree):
    folder = tree("a.wav", "a.mp3")
    with pytest.raises(DataError, match=r"a\.mp3 and .*a\.wav"):
        SoundFinder(None).for_label_file(folder / "a.txt")
    assert SoundFinder(None).for_label_file(folder / "a.mp3.txt").name == "a.mp3"


def test_a_folder_of_recordings(tree):
    folder = tree("sound/x/a.wav", "sound/y/a.wav", "sound/b.wav", "labels/y/a.txt")
    finder = SoundFinder(folder / "sound")
    assert finder.for_label_file(folder / "labels/y/a.txt") == folder.resolve() / "sound/y/a.wav"
    for name in (r"C:\field\x\a.wav", "/data/x/a.wav", "x/a"):
        found = finder.named(folder / "labels/all.csv", name, is_only=False)
        assert found == folder.resolve() / "sound/x/a.wav"
    with pytest.raises(DataError):
        finder.named(folder / "labels/all.csv", "a.wav", is_only=True)
    with pytest.raises(DataError):
        finder.named(folder / "labels/all.csv", "c.wav", is_only=True)


def test_one_recording_for_all(tree):
    folder = tree("other.wav", "a.wav")
    finder = SoundFinder(folder / "other.wav")
    assert finder.for_label_file(folder / "a.txt").name == "other.wav"
    assert finder.named(folder / "a.csv", "a.wav", is_only=True).name == "other.wav"
    with pytest.raises(DataError):
        finder.named(folder / "a.csv", "a.wav", is_only=False)
    with pytest.raises(DataError):
        SoundFinder(folder / "none.wav")


def test_names_of_other_spellings(tree):
    folder = tree("my dog.wav", "Mo\u0308we.wav")
    finder = SoundFinder(None)
    assert finder.named(folder / "a.rttm", "my_dog", is_only=True).name == "my dog.wav"
    assert finder.named(folder / "a.rttm", "M\u00f6we", is_only=True).name == "Mo\u0308we.wav"


def test_the_recording_that_a_document_names(tree):
    folder = tree("sub/dog.wav", "dog.wav")
    finder = SoundFinder(None)
    media = ["./sub/dog.wav", "/C:/field/dog.wav"]
    assert finder.for_label_file(folder / "b.eaf", media) == folder.resolve() / "sub/dog.wav"
    assert finder.for_label_file(folder / "b.eaf", media[1:]) == folder.resolve() / "dog.wav"
