"""Sound out of packages: archives and links that nobody vouches for, and work that is cut short."""

import io
import sys
import zipfile
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TERMS = "usr/share/doc/tunes/copyright"


def zipped(members):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def locked(members):
    """An archive that says that it has a password."""
    content = bytearray(zipped(members))
    content[content.index(b"PK\3\4") + 6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    return bytes(content)


@pytest.fixture
def fetch(tmp_path, monkeypatch):
    """Fetches a made-up package: name of a file to its content, or to where a link leads."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import debian_audio

    def fetch(files):
        def pretend(command, folder):
            if command[0] == "apt-get":
                (folder / "tunes_1.deb").touch()
                return
            for name, content in ({TERMS: b"free"} | files).items():
                path = folder / "all" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(content, bytes):
                    path.write_bytes(content)
                elif content is not None:
                    path.symlink_to(content)

        monkeypatch.setattr(debian_audio, "_call", pretend)
        count = debian_audio.fetch("tunes", tmp_path / "out" / "tunes")
        kept = tmp_path / "out" / "tunes"
        files = {
            path.relative_to(kept).as_posix(): path.read_bytes()
            for path in kept.rglob("*")
            if path.is_file()
        }
        assert files.pop("copyright") == b"free"
        assert count == len(files)
        assert list((tmp_path / "out").iterdir()) == [kept]
        return files

    return fetch


def test_a_package_gives_its_sounds_and_its_copyright(fetch):
    files = {"usr/share/tunes/music/a.ogg": b"a", "usr/share/tunes/a.png": b"b"}
    assert fetch(files) == {"usr/share/tunes/music/a.ogg": b"a"}


@pytest.mark.parametrize("name", ["m.zip", "m.pk3", "m.ZIP"])
def test_sounds_inside_archives_lie_in_a_folder_of_its_name(fetch, name):
    members = {"a/b.ogg": b"1", "C.WAV": b"2", "read.txt": b"3", "empty.ogg/": b""}
    assert fetch({f"data/{name}": zipped(members)}) == {
        "data/m/a/b.ogg": b"1",
        "data/m/C.WAV": b"2",
    }


def test_archives_of_almost_one_name_have_a_folder_each(fetch):
    names = ("m.zip", "m.pk3", "n.zip")
    files = {f"data/{name}": zipped({"a.ogg": name.encode()}) for name in names}
    assert fetch(files) == {
        "data/m/a.ogg": b"m.pk3",
        "data/m_zip/a.ogg": b"m.zip",
        "data/n/a.ogg": b"n.zip",
    }


def test_no_member_leaves_its_folder(fetch):
    members = {"../../../up.ogg": b"1", "/root.ogg": b"2", "a/../../b.ogg": b"3"}
    found = fetch({"data/m.zip": zipped(members)})
    assert sorted(found.values()) == [b"1", b"2", b"3"]
    assert all(name.startswith("data/m/") for name in found)


def test_links_count_inside_the_package_alone(fetch, tmp_path):
    """Elsewhere lies what another copyright file is about, or what is none of ours."""
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "a.ogg").write_bytes(b"host")
    (tmp_path / "host" / "m.zip").write_bytes(zipped({"a.ogg": b"host"}))
    files = {
        "data/own.ogg": b"own",
        "data/again.ogg": Path("own.ogg"),
        "data/host.ogg": tmp_path / "host" / "a.ogg",
        "data/host.zip": tmp_path / "host" / "m.zip",
        "data/folder": tmp_path / "host",
        "data/gone.ogg": Path("nowhere.ogg"),
    }
    assert fetch(files) == {"data/own.ogg": b"own", "data/again.ogg": b"own"}


DAMAGED = {
    "no archive": b"text",
    "cut off": zipped({"a.ogg": bytes(99)})[:-30],
    "another content": zipped({"a.ogg": b"tune"}).replace(b"tune", b"tame"),
    "locked": locked({"a.ogg": b"tune"}),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_an_archive_that_cannot_be_read_is_one_line_and_leaves_nothing(fetch, tmp_path, kind):
    with pytest.raises(SystemExit) as caught:
        fetch({"data/good.ogg": b"good", "data/m.zip": DAMAGED[kind]})
    assert str(caught.value).startswith("data/m.zip: its sounds cannot be taken out: ")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_line(fetch):
    with pytest.raises(SystemExit, match=r"^data/m\.zip: "):
        fetch({"data/m": b"in the way", "data/m.zip": zipped({"a.ogg": b"1"})})


@pytest.mark.parametrize("terms", [None, Path("../other/copyright")])
def test_sound_without_terms_is_not_kept(fetch, tmp_path, terms):
    with pytest.raises(SystemExit, match=r"^tunes: has no copyright file of its own"):
        fetch({"data/a.ogg": b"1", TERMS: terms})
    assert list((tmp_path / "out").iterdir()) == []


def test_a_package_that_is_not_known_is_one_line(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import debian_audio

    says = "import sys; sys.exit('W: old lists\\nE: Unable to locate package')"
    with pytest.raises(SystemExit) as caught:
        debian_audio._call([sys.executable, "-c", says], tmp_path)
    assert str(caught.value).endswith(
        ": E: Unable to locate package; is it a name that apt-cache knows?"
    )
    with pytest.raises(SystemExit, match="it said nothing"):
        debian_audio._call([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)


def test_what_is_there_is_not_fetched_again(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import debian_audio

    (tmp_path / "tunes").mkdir()
    fetched = []
    monkeypatch.setattr(debian_audio, "fetch", lambda name, folder: fetched.append(folder) or 7)
    monkeypatch.setattr(sys, "argv", ["debian_audio.py", str(tmp_path), "tunes", "songs"])
    debian_audio.main()
    assert fetched == [tmp_path / "songs"]
    assert capsys.readouterr().out == "tunes: already there\nsongs: 7 files\n"
