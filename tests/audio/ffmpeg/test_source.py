"""Containers are read on the clock of their time stamps, whatever is missing or changes in them."""

import av
import numpy as np
import pytest

from earmark.audio.decoding import open_source
from earmark.audio.downmix import Downmix
from earmark.audio.reading import load_audio, stream_audio
from earmark.errors import AudioError

RATE = 48_000
FORMATS = [
    ("webm", "libopus"),
    ("mka", "flac"),
    ("mka", "aac"),
    ("m4a", "aac"),
    ("mov", "alac"),
    ("wma", "wmav2"),
]
"""Extensions and codecs; those of time stamps that every player follows."""


def read(path):
    """The samples of a file, and what was noticed in it."""
    downmix = Downmix()
    samples = np.concatenate(list(stream_audio(path, downmix=downmix)))
    return samples, {note.kind: note.text for note in downmix.notes}


def silences(samples, least=0.05):
    """Start and length of each silence, in seconds."""
    edges = np.flatnonzero(np.diff(np.abs(samples) == 0, prepend=False, append=False))
    found = [(a / RATE, (b - a) / RATE) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return [one for one in found if one[1] > least]


@pytest.fixture(scope="module")
def sweep():
    """A tone that rises, so that each instant sounds different."""
    seconds = np.arange(3 * RATE) / RATE
    return 0.3 * np.sin(2 * np.pi * (200 + 1000 * seconds) * seconds)


@pytest.fixture(scope="module")
def made(tmp_path_factory, encode_track, sweep):
    """A function that returns 3 s of sound in a format, encoded once."""
    folder, paths = tmp_path_factory.mktemp("made"), {}

    def make(extension, codec, **others):
        key = f"{codec}{len(paths)}" if others else codec
        name = f"{key}.{extension}"
        if name not in paths:
            paths[name] = encode_track(folder / name, sweep, codec, **others)
        return paths[name]

    return make


@pytest.mark.parametrize(("extension", "codec"), FORMATS)
def test_a_gap_between_time_stamps_becomes_silence(tmp_path, made, remux, extension, codec):
    whole = made(extension, codec)
    expected, notes = read(whole)
    assert not notes
    path = remux([whole], tmp_path / f"a.{extension}", place=lambda at: at + 4 * (at >= 1.5))
    found, notes = read(path)
    assert "4.00 s" in notes.pop("gap")
    assert not notes
    assert len(found) - len(expected) == pytest.approx(4 * RATE, abs=0.001 * RATE)
    ((at, seconds),) = silences(found)
    # The delay of a codec moves the place.
    assert at == pytest.approx(1.5, abs=0.1)
    assert seconds == pytest.approx(4, abs=0.001)
    first = round(at * RATE)
    np.testing.assert_allclose(found[:first], expected[:first], atol=1e-6)
    rest = len(expected) - first
    np.testing.assert_allclose(found[-rest:], expected[-rest:], atol=1e-6)


@pytest.mark.parametrize(("extension", "codec"), FORMATS)
def test_an_excerpt_is_a_slice_of_the_time_line(tmp_path, made, remux, extension, codec):
    path = tmp_path / f"a.{extension}"
    remux([made(extension, codec)], path, place=lambda at: at + 4 * (at >= 1.5))
    whole, _ = read(path)
    for start, end in ((0.5, 1.0), (1.2, 4.0), (5.9, 6.7), (2.0, None)):
        part = load_audio(path, start=start, end=end).samples
        last = None if end is None else round(end * RATE)
        np.testing.assert_array_equal(part, whole[round(start * RATE) : last])


@pytest.mark.parametrize(("extension", "codec"), [("mkv", "libopus"), ("mp4", "aac")])
def test_sound_that_starts_after_the_picture_starts_late(
    tmp_path, made, remux, encode_track, picture, extension, codec
):
    film = picture(tmp_path / f"film.{extension}", 5)
    late = remux([made("mka", codec)], tmp_path / "late.mka", place=lambda at: at + 2)
    path = remux([film, late], tmp_path / f"a.{extension}")
    found, notes = read(path)
    assert set(notes) == {"gap"}
    assert silences(found)[0] == pytest.approx((0, 2), abs=0.05)
    assert len(found) / RATE == pytest.approx(5, abs=0.05)


def test_sound_that_starts_late_where_the_duration_counts_from_zero(tmp_path, made, remux):
    path = remux([made("webm", "libopus")], tmp_path / "a.webm", place=lambda at: at + 2)
    assert len(read(path)[0]) / RATE == pytest.approx(5, abs=0.01)


def test_a_part_of_a_stream_starts_with_its_first_packet(tmp_path, made, remux):
    path = tmp_path / "a.webm"
    remux([made("webm", "libopus")], path, place=lambda at: at + 9000, options={"live": "1"})
    found, notes = read(path)
    assert len(found) == 3 * RATE
    assert set(notes) == {"unclosed"}


def test_packets_that_are_lost_leave_silence(tmp_path, made, remux):
    whole = made("webm", "libopus")
    expected, _ = read(whole)
    path = tmp_path / "a.webm"
    remux([whole], path, place=lambda at: None if 1.0 < at < 1.05 else at)
    found, notes = read(path)
    assert set(notes) == {"lost_sound"}
    assert len(found) == pytest.approx(len(expected), abs=RATE // 1000)


def test_jitter_of_the_time_stamps_changes_nothing(tmp_path, made, remux):
    jitter = np.random.default_rng(0).uniform(0, 0.015, 1000)
    whole = made("webm", "libopus")
    path = tmp_path / "a.webm"
    remux([whole], path, place=lambda at: at + jitter[round(at * 50)])
    found, notes = read(path)
    np.testing.assert_array_equal(found, read(whole)[0])
    assert not notes


def test_sound_that_overlaps_is_dropped(tmp_path, made, remux):
    path = tmp_path / "a.mka"
    # Stamps must rise, so those of half a second crowd.
    remux(
        [made("mka", "flac")],
        path,
        place=lambda at: 1.0 + (at - 1.0) / 1000 if 1.0 < at < 1.5 else at - 0.4 * (at >= 1.5),
    )
    found, notes = read(path)
    assert len(found) / RATE == pytest.approx(2.6, abs=0.11)
    assert set(notes) == {"overlap"}


def test_containers_that_were_joined_are_read_to_the_end(tmp_path, made):
    content = made("webm", "libopus").read_bytes()
    path = tmp_path / "a.webm"
    path.write_bytes(content * 2)
    found, notes = read(path)
    assert len(found) / RATE == pytest.approx(6, abs=0.01)
    assert set(notes) == {"time_stamps"}


@pytest.mark.parametrize("extension", ["mkv", "mp4"])
@pytest.mark.parametrize("default", [0, 1, None])
def test_the_default_track_is_read_and_others_are_noted(
    tmp_path, made, encode_track, remux, extension, default
):
    silent = encode_track(tmp_path / "silent.m4a", np.zeros(2 * RATE), "aac")
    path = tmp_path / f"a.{extension}"
    remux([silent, made("m4a", "aac")], path, default=default)
    found, notes = read(path)
    assert set(notes) == {"other_tracks"}
    assert (np.abs(found).max() > 0.1) == (default == 1)


@pytest.mark.parametrize(
    ("extension", "codec", "options"),
    [
        ("webm", "libopus", {}),
        ("mka", "flac", {}),
        ("mov", "pcm_s16le", {"movflags": "faststart"}),
        ("m4a", "aac", {"movflags": "faststart"}),
        ("wma", "wmav2", {}),
    ],
)
@pytest.mark.parametrize("fraction", [0.3, 0.6, 0.88])
def test_a_file_that_was_cut_is_refused(tmp_path, made, extension, codec, options, fraction):
    content = made(extension, codec, options=options).read_bytes()
    path = tmp_path / f"a.{extension}"
    path.write_bytes(content[: round(fraction * len(content))])
    with pytest.raises(AudioError, match=rf"{path}: .*[23]\.\d\d s.*\d\.\d\d s") as caught:
        load_audio(path)
    assert caught.value.fault == "truncated"


@pytest.mark.parametrize(
    ("extension", "codec", "options"),
    [
        ("webm", "libopus", {"live": "1"}),
        ("mp4", "aac", {"movflags": "empty_moov+frag_keyframe", "frag_duration": "300000"}),
        ("aac", "aac", {}),
    ],
)
def test_a_stream_that_was_cut_is_noted(tmp_path, made, extension, codec, options):
    format_ = {"aac": "adts"}.get(extension)
    content = made(extension, codec, options=options, format=format_).read_bytes()
    path = tmp_path / f"a.{extension}"
    path.write_bytes(content[: round(0.6 * len(content))])
    found, notes = read(path)
    assert 1 < len(found) / RATE < 2.5
    assert {"unclosed", "lost_sound"} & set(notes)


def test_a_film_that_is_longer_than_its_sound_is_whole(tmp_path, made, picture, remux):
    for extension in ("mkv", "mp4"):
        film = picture(tmp_path / f"film.{extension}", 8)
        path = remux([film, made("m4a", "aac")], tmp_path / f"a.{extension}")
        found, notes = read(path)
        assert len(found) / RATE == pytest.approx(3, abs=0.05)
        assert not notes


@pytest.mark.parametrize(
    ("extension", "codec"), [("webm", "libopus"), ("mka", "aac"), ("m4a", "aac"), ("wma", "wmav2")]
)
def test_damage_is_noted_and_what_follows_keeps_its_time(tmp_path, made, extension, codec):
    whole = made(extension, codec)
    expected, _ = read(whole)
    content = bytearray(whole.read_bytes())
    middle = round(0.6 * len(content))
    content[middle : middle + 600] = b"\x55" * 600
    path = tmp_path / f"a.{extension}"
    path.write_bytes(content)
    found, notes = read(path)
    assert "lost_sound" in notes
    if extension in {"m4a", "wma"}:
        # A damaged cluster of webm loses its rest.
        np.testing.assert_allclose(found[-RATE // 2 :], expected[-RATE // 2 :], atol=1e-3)
    start = slice(0, RATE)
    np.testing.assert_allclose(found[start], expected[start], atol=1e-6)


def test_a_file_without_a_packet_that_can_be_decoded_is_refused(tmp_path, made):
    content = bytearray(made("m4a", "aac").read_bytes())
    start = content.index(b"mdat") + 4
    content[start : start + 20_000] = b"\x55" * 20_000
    path = tmp_path / "a.m4a"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"a\.m4a") as caught:
        load_audio(path)
    assert caught.value.fault == "damaged"


@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 1)])
def test_channels_that_change_part_way_keep_their_level(
    tmp_path, encode_track, sweep, first, second
):
    parts = [
        encode_track(
            tmp_path / f"{number}.aac",
            np.repeat(sweep[:, None], number, axis=1),
            "aac",
            format="adts",
        ).read_bytes()
        for number in (first, second)
    ]
    path = tmp_path / "a.aac"
    path.write_bytes(b"".join(parts))
    found, notes = read(path)
    assert set(notes) == {"channel_change"}
    assert len(found) / RATE == pytest.approx(6, abs=0.1)
    levels = [np.std(part) for part in (found[RATE : 2 * RATE], found[4 * RATE : 5 * RATE])]
    assert levels[1] == pytest.approx(levels[0], rel=0.1)


def test_a_rate_that_changes_part_way_is_converted(tmp_path, encode_track):
    def tone(rate):
        return 0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate)

    parts = [
        encode_track(
            tmp_path / f"{rate}.aac", tone(rate), "aac", rate=rate, format="adts"
        ).read_bytes()
        for rate in (44_100, 22_050)
    ]
    path = tmp_path / "a.aac"
    path.write_bytes(b"".join(parts))
    found, notes = read(path)
    assert "22050" in notes.pop("rate_change")
    assert not notes
    assert len(found) / 44_100 == pytest.approx(4, abs=0.15)
    for second in (1, 3):
        part = found[second * 44_100 : second * 44_100 + 22_050]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
        assert spectrum.argmax() * 2 == pytest.approx(440, abs=4)


@pytest.mark.parametrize("layout", ["7.1", "hexadecagonal", "FL+FR+BC+LFE+TC", "22.2"])
def test_sound_of_many_channels_or_an_unusual_layout_has_their_mean(tmp_path, encode_track, layout):
    channels = av.AudioLayout(layout).nb_channels
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (RATE, channels)).astype(np.float32)
    path = encode_track(tmp_path / "a.mka", samples, "pcm_f32le", layout=layout)
    with open_source(path) as source:
        assert source.channels == channels
    np.testing.assert_allclose(load_audio(path).samples, samples.mean(axis=1), atol=1e-6)
