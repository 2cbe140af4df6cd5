"""MPEG audio is read to its end, whatever stands before, between and after its frames."""

import numpy as np
import pytest

from earmark.audio.formats import mpeg
from earmark.audio.reading import load_audio
from earmark.errors import AudioError

ID3_BODY = b"TIT2" + bytes(40) + b"\xff\xfb\x90\x00" * 60
"""Its pretended frames would be noise."""


def id3(body=ID3_BODY, version=3, flags=0):
    size = bytes(len(body) >> shift & 127 for shift in (21, 14, 7, 0))
    footer = b"3DI" + bytes([version, 0, flags]) + size if flags & 0x10 else b""
    return b"ID3" + bytes([version, 0, flags]) + size + body + footer


def ape(body=b"x" * 300, has_header=True):
    def end(flags):
        return b"APETAGEX" + b"".join(
            number.to_bytes(4, "little") for number in (2000, len(body) + 32, 1, flags, 0, 0)
        )

    return (end(0xA0000000) if has_header else b"") + body + end(0x80000000)


TAGS = {
    "nothing": b"",
    "ID3v2": id3(),
    "ID3v2 twice": id3() + id3(bytes(3000)),
    "ID3v2 with footer": id3(version=4, flags=0x10),
    "large ID3v2": id3(bytes(300_000)),
    "APE": ape(),
    "APE without header": ape(has_header=False),
    "ID3v1": b"TAG" + b"title".ljust(125, b"\0"),
    "Lyrics3": b"LYRICSBEGIN" + b"la " * 99 + b"000297LYRICS200",
    "zeros": bytes(700),
    "HTTP": b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n",
    "noise": np.random.default_rng(1).bytes(3000),
}


@pytest.fixture(scope="module")
def streams(tmp_path_factory, encode, tones):
    """Two streams without Info frames, of 2 and 3 s at 44.1 kHz: their bytes."""
    folder = tmp_path_factory.mktemp("streams")
    return [
        encode(
            *(folder / f"{seconds}.mp3", tones(seconds), 44_100, "libmp3lame"),
            write_xing="0",
            id3v2_version="0",
            b="64000",
        ).read_bytes()
        for seconds in (2, 3)
    ]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory, encode, tones):
    """Two files of the same lengths with Info frames."""
    folder = tmp_path_factory.mktemp("recordings")
    return [
        encode(folder / f"{seconds}.mp3", tones(seconds), 44_100, "libmp3lame", id3v2_version="0")
        for seconds in (2, 3)
    ]


@pytest.mark.parametrize(
    ("header", "size", "layer", "rate", "channels", "samples"),
    [
        ("fffb9000", 417, 3, 44_100, 2, 1152),
        ("fffb9200", 418, 3, 44_100, 2, 1152),
        ("fffbe0c0", 1044, 3, 44_100, 1, 1152),
        ("fff38000", 208, 3, 22_050, 2, 576),
        ("ffe318c0", 72, 3, 8000, 1, 576),
        ("fffd8400", 384, 2, 48_000, 2, 1152),
        ("ffff8400", 256, 1, 48_000, 2, 384),
        ("fffb0000", 0, 3, 44_100, 2, 1152),
    ],
)
def test_a_frame_header_gives_size_and_format(header, size, layer, rate, channels, samples):
    frame = mpeg.parse(bytes.fromhex(header))
    assert frame.size == size
    assert frame.format == (layer, rate, channels, samples)


@pytest.mark.parametrize(
    "header", ["fffbf000", "fffb9c00", "fff99000", "ffeb9000", "fe000000", "fffb"]
)
def test_other_bytes_are_no_frame(header):
    assert mpeg.parse(bytes.fromhex(header)) is None


@pytest.mark.parametrize("options", [{"b": "64000"}, {"q": "4"}, {"b": "320000"}])
@pytest.mark.parametrize(("sample_rate", "channels"), [(44_100, 2), (16_000, 1)])
def test_an_mp3_without_an_info_frame_is_read_to_its_end(
    tmp_path, encode, decoded, tones, options, sample_rate, channels
):
    sound = tones(3, sample_rate, channels)
    sound[:sample_rate] = 0  # The first frames tell nothing of the others.
    path = tmp_path / "a.mp3"
    encode(path, sound, sample_rate, "libmp3lame", write_xing="0", **options)
    samples = load_audio(path).samples
    expected = decoded(path)
    assert len(samples) == len(expected) >= len(sound)
    np.testing.assert_allclose(samples, expected, atol=1e-3)


@pytest.mark.parametrize("suffix", [".mp2", ".mp3", ".wav", ""])
def test_layer_2_is_read_by_its_content(tmp_path, encode, decoded, tones, suffix):
    path = tmp_path / f"a{suffix}"
    container_format = "wav" if suffix == ".wav" else "mp2"
    encode(path, tones(3, 48_000, 2), 48_000, "mp2", format=container_format)
    samples = load_audio(path).samples
    np.testing.assert_allclose(samples, decoded(path), atol=1e-3)


@pytest.mark.parametrize("place", ["before", "between", "after"])
@pytest.mark.parametrize("tag", TAGS)
def test_tags_are_skipped(tmp_path, streams, tag, place):
    one, two = streams
    (tmp_path / "plain.mp3").write_bytes(one + two)
    parts = {"before": 0, "between": 1, "after": 2}
    pieces = [one, two]
    pieces.insert(parts[place], TAGS[tag])
    (tmp_path / "tagged.mp3").write_bytes(b"".join(pieces))
    expected = load_audio(tmp_path / "plain.mp3").samples
    np.testing.assert_array_equal(load_audio(tmp_path / "tagged.mp3").samples, expected)


@pytest.mark.parametrize("tag", TAGS)
def test_what_info_frames_declare_is_dropped_in_each_recording(tmp_path, recordings, tag):
    joined = tmp_path / "joined.mp3"
    joined.write_bytes(TAGS[tag].join(path.read_bytes() for path in recordings))
    expected = np.concatenate([load_audio(path).samples for path in recordings])
    assert len(expected) == 5 * 44_100
    np.testing.assert_allclose(load_audio(joined).samples, expected, atol=1e-6)


@pytest.mark.parametrize(("start", "end"), [(0.37, 1.21), (1.9, 2.3), (4.5, None), (0.0, 0.2)])
@pytest.mark.parametrize("tag", ["nothing", "ID3v2", "noise"])
def test_excerpts_equal_those_of_the_whole(tmp_path, streams, start, end, tag):
    path = tmp_path / "a.mp3"
    path.write_bytes(streams[0] + TAGS[tag] + streams[1])
    whole = load_audio(path).samples
    part = load_audio(path, start=start, end=end).samples
    expected = whole[round(start * 44_100) : None if end is None else round(end * 44_100)]
    np.testing.assert_allclose(part, expected, atol=1e-4)


def test_frames_of_a_free_bit_rate_end_where_the_next_begins(tmp_path, encode, tones):
    path = tmp_path / "a.mp3"
    encode(path, tones(2, 48_000), 48_000, "libmp3lame", write_xing="0", b="128000")
    expected = load_audio(path).samples
    content = bytearray(path.read_bytes())
    with path.open("rb") as file:
        frames = list(mpeg.frames(file, range(len(content))))
    for position, frame, _ in frames:
        assert frame.size == 384
        content[position + 2] &= 0x0F
    path.write_bytes(content)
    np.testing.assert_allclose(load_audio(path).samples, expected, atol=1e-6)


def test_a_header_of_fraunhofer_is_no_sound(tmp_path, streams):
    head = streams[0][:36] + b"VBRI" + bytes([0, 1]) + bytes(8)
    count = len(streams[0]) // 208
    vbri = (head + count.to_bytes(4)).ljust(mpeg.parse(streams[0][:4]).size, b"\0")
    (tmp_path / "plain.mp3").write_bytes(streams[0])
    (tmp_path / "a.mp3").write_bytes(vbri + streams[0])
    expected = load_audio(tmp_path / "plain.mp3").samples
    np.testing.assert_array_equal(load_audio(tmp_path / "a.mp3").samples, expected)


def test_fewer_frames_than_declared_are_refused(tmp_path, recordings):
    path = tmp_path / "a.mp3"
    content = recordings[0].read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(AudioError) as caught:
        load_audio(path)
    assert caught.value.fault == "truncated"


def test_a_last_frame_that_is_cut_is_the_end(tmp_path, recordings):
    path = tmp_path / "a.mp3"
    whole = load_audio(recordings[0]).samples
    path.write_bytes(recordings[0].read_bytes()[:-100])
    samples = load_audio(path).samples
    assert len(whole) - 1152 <= len(samples) < len(whole)
    np.testing.assert_allclose(samples, whole[: len(samples)], atol=1e-6)


def test_bytes_that_look_like_a_frame_are_none_alone(tmp_path, rng):
    path = tmp_path / "a.mp3"
    path.write_bytes(rng.bytes(100_000))
    with path.open("rb") as file:
        assert mpeg.recordings(file, range(100_000)) == []
    with pytest.raises(AudioError) as caught:
        load_audio(path)
    assert caught.value.fault == "undecodable"
