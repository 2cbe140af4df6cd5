"""Any sound file gives the right samples, in blocks, or an error that names it."""

import os
import re
import threading
import time
import tracemalloc
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.audio.decoding import open_source
from earmark.audio.reading import Audio, Excerpt, from_arrays, is_audio, load_audio, stream_audio
from earmark.audio.source import MIN_SECONDS, Source
from earmark.errors import AudioError, ConfigError

PITCH_HZ = 440.0
SOUNDFILE_FORMATS = [
    ("wav", "WAV", "PCM_16"),
    ("wav", "WAV", "PCM_24"),
    ("wav", "WAV", "FLOAT"),
    ("wav", "WAV", "PCM_U8"),
    ("wav", "WAV", "ULAW"),
    ("flac", "FLAC", "PCM_16"),
    ("flac", "FLAC", "PCM_24"),
    ("flac", "FLAC", "PCM_S8"),
    ("ogg", "OGG", "VORBIS"),
    ("opus", "OGG", "OPUS"),
    ("mp3", "MP3", "MPEG_LAYER_III"),
    ("aiff", "AIFF", "PCM_16"),
    ("aifc", "AIFF", "FLOAT"),
    ("au", "AU", "PCM_16"),
    ("caf", "CAF", "PCM_16"),
    ("caf", "CAF", "ALAC_16"),
    ("w64", "W64", "PCM_16"),
    ("rf64", "RF64", "PCM_16"),
]
AV_FORMATS = [
    ("m4a", "ipod", "aac", 44_100),
    ("m4a", "ipod", "alac", 44_100),
    ("mp4", "mp4", "aac", 44_100),
    ("mov", "mov", "aac", 44_100),
    ("aac", "adts", "aac", 44_100),
    ("wma", "asf", "wmav2", 44_100),
    ("webm", "webm", "libopus", 48_000),
    ("mka", "matroska", "flac", 44_100),
]


def tone(seconds, sample_rate, pitch_hz=PITCH_HZ):
    return 0.5 * np.sin(
        2 * np.pi * pitch_hz * np.arange(round(seconds * sample_rate)) / sample_rate
    )


def pitch_hz(sound):
    spectrum = np.abs(np.fft.rfft(sound.samples * np.hanning(len(sound.samples)), 1 << 19))
    return spectrum.argmax() * sound.sample_rate / (1 << 19)


def encode(path, container_format, codec, sample_rate, seconds=2.0, layout="stereo"):
    """Writes a tone in all channels by PyAV."""
    samples = tone(seconds, sample_rate).astype(np.float32)
    num_channels = av.AudioLayout(layout).nb_channels
    with av.open(str(path), "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=sample_rate, layout=layout)
        stream.bit_rate = 64_000 * num_channels
        sample_format = stream.codec_context.codec.audio_formats[0].name
        packed = np.repeat(samples, num_channels)[None]
        frame = av.AudioFrame.from_ndarray(packed, "flt", layout)
        frame.sample_rate, frame.pts = sample_rate, 0
        converter = av.AudioResampler(sample_format, layout, sample_rate)
        for converted in [*converter.resample(frame), *converter.resample(None)]:
            container.mux(stream.encode(converted))
        container.mux(stream.encode(None))
    return path


def write(path, samples, sample_rate=16_000, **options):
    soundfile.write(path, samples, sample_rate, **options)
    return path


@pytest.mark.parametrize(("extension", "container", "subtype"), SOUNDFILE_FORMATS)
def test_formats_of_soundfile_give_the_sound_and_its_parts(tmp_path, extension, container, subtype):
    path = write(tmp_path / f"a.{extension}", tone(6, 16_000), format=container, subtype=subtype)
    sound = load_audio(path)
    assert sound.sample_rate == 16_000
    assert sound.duration_seconds == pytest.approx(6, abs=0.001)
    assert pitch_hz(sound) == pytest.approx(PITCH_HZ, abs=0.5)
    # Also where blocks meet: decoders that lose their state there leave a hole or a click.
    np.testing.assert_allclose(sound.samples[2000:-2000], tone(6, 16_000)[2000:-2000], atol=0.06)
    part = load_audio(path, start=4.5, end=5.25).samples
    np.testing.assert_allclose(part, sound.samples[72_000:84_000], atol=1e-6)


@pytest.mark.parametrize(("extension", "container", "codec", "sample_rate"), AV_FORMATS)
def test_formats_of_pyav_give_the_sound_and_its_parts(
    tmp_path, extension, container, codec, sample_rate
):
    path = encode(tmp_path / f"a.{extension}", container, codec, sample_rate)
    sound = load_audio(path)
    assert sound.sample_rate == sample_rate
    # Some containers keep the silence that the encoder needs before and after.
    assert sound.duration_seconds == pytest.approx(2, abs=0.06)
    assert pitch_hz(sound) == pytest.approx(PITCH_HZ, abs=0.5)
    part = load_audio(path, start=0.5, end=1.25).samples
    first, last = round(0.5 * sample_rate), round(1.25 * sample_rate)
    np.testing.assert_array_equal(part, sound.samples[first:last])


@pytest.mark.parametrize("rate", [None, 8000, 22_050])
@pytest.mark.parametrize("suffix", [".wav", ".mp3"])
def test_blocks_joined_are_what_load_gives_bit_for_bit(tmp_path, rng, suffix, rate):
    path = write(tmp_path / f"a{suffix}", 0.1 * rng.standard_normal(16_000 * 9))
    blocks = list(stream_audio(path, rate))
    assert len(blocks) > 2
    np.testing.assert_array_equal(np.concatenate(blocks), load_audio(path, rate).samples)


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_the_faster_decoders_give_the_values_of_libsndfile(tmp_path, rng, suffix, subtype):
    subtype = "PCM_U8" if (suffix, subtype) == (".wav", "PCM_S8") else subtype
    noise = rng.uniform(-1, 1, 16_000 * 9)
    path = write(tmp_path / f"a{suffix}", noise, subtype=subtype)
    expected, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_array_equal(load_audio(path).samples, expected)


def test_a_name_that_is_not_text_is_no_obstacle(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.flac")
    try:
        write(os.fsencode(path), tone(1, 16_000), format="FLAC")
    except (OSError, soundfile.LibsndfileError):
        pytest.skip("this file system takes names of text only")
    assert load_audio(path).duration_seconds == 1


def test_a_streamed_flac_that_does_not_know_its_length_is_read_to_its_end(tmp_path):
    path = write(tmp_path / "a.flac", tone(5, 16_000))
    content = bytearray(path.read_bytes())
    # The number of samples: 36 bits of STREAMINFO, RFC 9639, section 8.2.
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert load_audio(path).duration_seconds == 5
    assert load_audio(path, start=3.5, end=4.5).duration_seconds == 1


@pytest.mark.parametrize("suffix", [".wav", ".mp3"])
def test_decoding_ahead_changes_no_sample(tmp_path, rng, suffix):
    path = write(tmp_path / f"a{suffix}", 0.1 * rng.standard_normal(22_050 * 20), 22_050)
    expected = load_audio(path, 16_000).samples
    blocks = stream_audio(path, 16_000, pipelined=True)
    np.testing.assert_array_equal(np.concatenate(list(blocks)), expected)


def test_decoding_ahead_passes_errors_on(tmp_path):
    path = write(tmp_path / "a.flac", tone(30, 16_000))
    path.write_bytes(cut(path.read_bytes()))
    with pytest.raises(AudioError) as caught:
        list(stream_audio(path, 22_050, pipelined=True))
    assert caught.value.fault == "truncated"


def test_a_file_is_closed_only_when_no_thread_reads_it_any_more(tmp_path, monkeypatch):
    is_closed = threading.Event()
    read_after_closing = []

    def slow_blocks(excerpt):
        for _ in range(50):
            time.sleep(0.02)
            read_after_closing.append(is_closed.is_set())
            yield np.zeros((4000, 1), np.float32)

    @contextmanager
    def open_slowly(path):
        try:
            yield Source(16_000, 1, slow_blocks, "WAV PCM_16")
        finally:
            is_closed.set()

    monkeypatch.setattr("earmark.audio.reading.open_source", open_slowly)
    monkeypatch.setattr("earmark.audio.reading.MAX_SECONDS", 0.3)
    with pytest.raises(AudioError):
        list(stream_audio(tmp_path / "a.wav", 22_050, pipelined=True))
    assert is_closed.is_set()
    time.sleep(0.1)
    assert not any(read_after_closing)


@settings(max_examples=30)
@given(st.floats(0, 4.8), st.none() | st.floats(0.11, 9))
def test_an_excerpt_is_a_slice(tmp_path_factory, start, length):
    path = tmp_path_factory.getbasetemp() / "noise.wav"
    if not path.exists():
        write(path, np.random.default_rng(0).uniform(-1, 1, 8000 * 5), 8000)
    end = None if length is None else min(start + length, 5.05)
    part = load_audio(path, start=start, end=end).samples
    whole = load_audio(path).samples
    last = None if end is None else round(end * 8000)
    np.testing.assert_array_equal(part, whole[round(start * 8000) : last])


def test_channels_are_averaged(tmp_path, rng):
    channels = rng.uniform(-1, 1, (16_000, 3)).astype(np.float32)
    path = write(tmp_path / "a.wav", channels, subtype="FLOAT")
    np.testing.assert_allclose(load_audio(path).samples, channels.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize(
    ("in_rate", "out_rate"), [(44_100, 16_000), (8000, 16_000), (48_000, 22_050)]
)
def test_resampling_in_blocks_is_resampling_the_whole(tmp_path, rng, in_rate, out_rate):
    samples = rng.uniform(-0.5, 0.5, in_rate * 9).astype(np.float32)
    path = write(tmp_path / "a.wav", samples, in_rate, subtype="FLOAT")
    resampled = load_audio(path, out_rate)
    assert resampled.sample_rate == out_rate
    np.testing.assert_allclose(
        resampled.samples, soxr.resample(samples, in_rate, out_rate), atol=1e-6
    )


def test_a_tone_above_half_the_new_rate_is_gone(tmp_path):
    path = write(tmp_path / "a.wav", tone(1, 44_100, pitch_hz=10_000), 44_100)
    middle = load_audio(path, 16_000).samples[1000:-1000]
    assert np.abs(middle).max() < 1e-3


def test_memory_does_not_grow_with_the_length(tmp_path):
    path = tmp_path / "long.flac"
    with soundfile.SoundFile(path, "w", 44_100, 2) as file:
        for _ in range(10):
            file.write(np.zeros((44_100 * 60, 2), np.int16))
    tracemalloc.start()
    try:
        num_samples = sum(len(block) for block in stream_audio(path, 16_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert num_samples == 600 * 16_000
    assert peak < 12e6  # The whole sound takes 212 MB; a block of 4 s takes 1.4 MB.


def test_duration_is_in_seconds():
    assert Audio(np.zeros(4000, np.float32), 8000).duration_seconds == 0.5


@pytest.mark.parametrize(
    ("excerpt", "text"),
    [(Excerpt(), ""), (Excerpt(1.0, 2.5), "[1-2.5 s]"), (Excerpt(3.0), "[3-end s]")],
)
def test_an_excerpt_is_named_by_its_seconds(excerpt, text):
    assert str(excerpt) == text


@pytest.mark.parametrize("name", ["a.wav", "A.WAV", "é ü.Mp3", "x.y.flac", "b.webm"])
def test_sound_files_are_known_by_their_extension(tmp_path, name):
    (tmp_path / name).touch()
    assert is_audio(tmp_path / name)


@pytest.mark.parametrize("name", [".a.wav", "a.txt", "wav", "a.wav.part"])
def test_other_files_and_folders_are_not_sound_files(tmp_path, name):
    (tmp_path / name).touch()
    (tmp_path / "folder.wav").mkdir()
    assert not is_audio(tmp_path / name)
    assert not is_audio(tmp_path / "folder.wav")
    assert not is_audio(tmp_path / "missing.wav")


def test_a_name_that_looks_like_an_address_is_still_a_file(tmp_path, monkeypatch):
    encode(tmp_path / "12:30.m4a", "ipod", "aac", 44_100)
    monkeypatch.chdir(tmp_path)
    assert load_audio(Path("12:30.m4a")).duration_seconds > 1.9


def cut(content):
    return content[: len(content) // 2]


def overwritten(content):
    middle = len(content) // 2
    return content[:middle] + b"\x55" * 400 + content[middle + 400 :]


@pytest.mark.parametrize("damage", [cut, overwritten])
@pytest.mark.parametrize("name", ["a.flac", "a.mp3", "a.ogg"])
def test_a_damaged_file_is_refused_by_name(tmp_path, name, damage):
    path = write(tmp_path / name, tone(2, 16_000))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(AudioError, match=str(path)) as caught:
        load_audio(path)
    assert caught.value.fault in {"damaged", "truncated", "undecodable", "short"}


@pytest.mark.parametrize("suffix", [".wav", ".aiff", ".au"])
def test_a_file_without_its_end_is_refused_with_both_lengths(tmp_path, suffix):
    path = write(tmp_path / f"a{suffix}", tone(2, 16_000))
    path.write_bytes(cut(path.read_bytes()))
    with pytest.raises(AudioError, match=rf"{path}: .*2\.00 s.*1\.00 s") as caught:
        load_audio(path)
    assert caught.value.fault == "truncated"


def test_a_streamed_wav_that_does_not_know_its_length_is_read_to_its_end(tmp_path):
    path = write(tmp_path / "a.wav", tone(2, 16_000))
    content = bytearray(path.read_bytes())
    size = content.index(b"data") + 4
    content[size : size + 4] = b"\xff" * 4
    path.write_bytes(content)
    assert load_audio(path).duration_seconds == 2


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.wav", None, "missing"),
        ("a\0.wav", None, "missing"),
        ("a.wav", b"", "empty"),
        ("a.wav", b"Not a sound at all.\n" * 99, "undecodable"),
        ("a.raw", b"\x00\x01" * 9999, "undecodable"),
        ("a.mp4", b"\x00" * 5000, "undecodable"),
    ],
)
def test_a_file_that_is_no_sound_is_refused_by_name(tmp_path, name, content, fault):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AudioError, match=re.escape(str(path))) as caught:
        load_audio(path)
    assert caught.value.fault == fault


def test_a_folder_a_pipe_and_a_file_of_somebody_else_are_refused_by_name(
    tmp_path, write_clip, monkeypatch
):
    with pytest.raises(AudioError, match=rf"{tmp_path}: .*Is a directory"):
        load_audio(tmp_path)
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(AudioError, match=r"pipe\.wav"):
        load_audio(tmp_path / "pipe.wav")
    path = write_clip(tmp_path / "a.wav")

    def closed(self, *_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", closed)
    with pytest.raises(AudioError, match=r"a\.wav: .*Permission denied"):
        load_audio(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n"),
        ("list.ffconcat", "ffconcat version 1.0\nfile {}\n"),
    ],
)
def test_a_playlist_does_not_open_the_file_that_it_points_at(tmp_path, name, text):
    encode(tmp_path / "secret.aac", "adts", "aac", 44_100)
    path = tmp_path / name
    path.write_text(text.format("secret.aac"))
    with av.open(str(path)) as container:
        assert container.streams.audio  # FFmpeg itself would follow it.
    with pytest.raises(AudioError, match=name) as caught:
        load_audio(path)
    assert caught.value.fault == "undecodable"


@pytest.mark.parametrize(("extension", "container"), [("m4a", "ipod"), ("mka", "matroska")])
def test_sound_of_eight_channels_is_decoded(tmp_path, extension, container):
    path = encode(tmp_path / f"a.{extension}", container, "aac", 44_100, layout="7.1")
    with open_source(path) as source:
        assert source.channels == 8
    sound = load_audio(path)
    assert sound.duration_seconds == pytest.approx(2.0, abs=0.1)
    # The codec keeps the tone out of one channel, that of low frequencies.
    expected = np.std(tone(2.0, 44_100)) * 7 / 8
    assert np.std(sound.samples[4410:44_100]) == pytest.approx(expected, rel=0.05)


def test_a_film_without_sound_is_refused(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10, width=32, height=32)
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(AudioError, match=r"a\.mp4"):
        load_audio(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_refused_with_their_time(tmp_path, value):
    samples = np.zeros(16_000 * 6, np.float32)
    samples[16_000 * 5] = value
    path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
    with pytest.raises(AudioError, match=rf"{path}: .*5\.000 s") as caught:
        load_audio(path)
    assert caught.value.fault == "not_finite"


@pytest.mark.parametrize("value", [-1e30, 2e10])
def test_samples_that_no_sound_has_are_refused_with_their_time(tmp_path, value):
    samples = np.zeros(16_000, np.float32)
    samples[8_000] = value
    path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"0\.500 s") as caught:
        load_audio(path)
    assert caught.value.fault == "damaged"


@pytest.mark.parametrize(
    ("samples", "sample_rate", "fault", "value"),
    [
        (np.zeros(800), 16_000, "short", "0.05 s"),
        (np.zeros((16_000, 65)), 16_000, "header", "65 channels"),
        (np.zeros(16_000), 500, "header", "500 Hz"),
    ],
)
def test_sound_beyond_the_limits_is_refused(tmp_path, samples, sample_rate, fault, value):
    path = write(tmp_path / "a.wav", samples, sample_rate)
    with pytest.raises(AudioError, match=rf"{path}: .*{value}") as caught:
        load_audio(path)
    assert caught.value.fault == fault


def test_sound_that_is_too_long_is_refused(tmp_path, write_clip, monkeypatch):
    monkeypatch.setattr("earmark.audio.reading.MAX_SECONDS", 5.0)
    assert load_audio(write_clip(tmp_path / "a.wav", 5.0)).duration_seconds == 5
    with pytest.raises(AudioError, match=r"b\.wav"):
        load_audio(write_clip(tmp_path / "b.wav", 5.1))


@pytest.mark.parametrize(("start", "end"), [(0.5, 0.55), (2.0, None), (0.99, None)])
def test_an_excerpt_with_too_little_sound_is_refused(tmp_path, write_clip, start, end):
    path = write_clip(tmp_path / "a.wav")
    with pytest.raises(AudioError, match=r"a\.wav\[.* s\]") as caught:
        load_audio(path, start=start, end=end)
    assert caught.value.fault == "short"


@pytest.mark.parametrize(("start", "end"), [(-0.5, None), (2.0, 1.0), (1.0, 1.0), (np.nan, None)])
def test_an_excerpt_that_is_none_is_refused(tmp_path, write_clip, start, end):
    path = write_clip(tmp_path / "a.wav")
    with pytest.raises(ConfigError, match="start"):
        load_audio(path, start=start, end=end)


@pytest.mark.parametrize("rate", [0, -5, 999, 768_001])
def test_a_rate_out_of_range_is_refused(tmp_path, write_clip, rate):
    path = write_clip(tmp_path / "a.wav")
    silence = np.zeros(16_000, np.float32)
    for read in (
        lambda: load_audio(path, rate),
        lambda: list(stream_audio(path, rate)),
        lambda: list(from_arrays([silence], rate, 16_000)),
        lambda: list(from_arrays([silence], 16_000, rate)),
    ):
        with pytest.raises(ConfigError, match=rf"sample_rate = {rate}: .*1000.*768000"):
            read()


def test_a_path_may_be_text(tmp_path, write_clip):
    path = write_clip(tmp_path / "a.wav")
    expected = load_audio(path).samples
    np.testing.assert_array_equal(load_audio(str(path)).samples, expected)
    np.testing.assert_array_equal(np.concatenate(list(stream_audio(str(path)))), expected)


def test_an_excerpt_that_ends_beyond_the_sound_is_refused(tmp_path, write_clip):
    path = write_clip(tmp_path / "a.wav", 1.0)
    assert len(load_audio(path, start=0.5, end=1.05).samples) == 8000
    with pytest.raises(AudioError, match=r"a\.wav\[.*\]: .*1\.00 s") as caught:
        load_audio(path, start=0.5, end=3.0)
    assert caught.value.fault == "short"


def test_whatever_a_decoder_raises_becomes_an_error_that_names_the_file(
    tmp_path, write_clip, monkeypatch
):
    def broken(*_, **__):
        raise AttributeError("no such thing")

    path = write_clip(tmp_path / "a.wav")
    monkeypatch.setattr("soundfile.SoundFile.read", broken)
    with pytest.raises(AudioError, match=r"a\.wav: .*no such thing") as caught:
        load_audio(path)
    assert caught.value.fault == "damaged"


def test_a_name_need_not_be_text(tmp_path, write_clip):
    path = write_clip(tmp_path / "a.wav").rename(tmp_path / os.fsdecode(b"caf\xe9.wav"))
    assert load_audio(path).duration_seconds == 1


@pytest.mark.parametrize("num_channels", [1, 2, 5])
def test_arrays_are_treated_as_files_are(tmp_path, rng, num_channels):
    samples = rng.uniform(-0.5, 0.5, (9000, num_channels)).astype(np.float32)
    path = write(tmp_path / "a.wav", samples, 22_050, subtype="FLOAT")
    blocks = np.array_split(samples if num_channels > 1 else samples[:, 0], 7)
    joined = np.concatenate(list(from_arrays(blocks, 22_050, 16_000)))
    np.testing.assert_array_equal(joined, load_audio(path, 16_000).samples)


@pytest.mark.parametrize(
    ("block", "fault", "detail"),
    [
        (np.zeros(9000, np.int16), "undecodable", "int16"),
        (np.zeros((2, 9000)), "undecodable", r"\(2, 9000\)"),
        (np.zeros((9000, 2, 1)), "undecodable", r"\(9000, 2, 1\)"),
        (np.full(9000, np.nan), "not_finite", "samples"),
        (np.zeros(1599), "short", "samples"),
    ],
)
def test_arrays_that_are_no_sound_are_refused(block, fault, detail):
    with pytest.raises(AudioError, match=detail) as caught:
        list(from_arrays([block], 16_000, 16_000))
    assert caught.value.fault == fault


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("read_rate", [None, 16_000, 32_000])
def test_the_shortest_clip_is_the_same_at_every_rate(tmp_path, rate, read_rate):
    shortest = int(MIN_SECONDS * rate)
    for num_samples in (shortest, shortest - 1):
        path = tmp_path / f"{num_samples}.wav"
        soundfile.write(path, np.zeros(num_samples), rate)
    assert load_audio(tmp_path / f"{shortest}.wav", read_rate).duration_seconds < 0.101
    with pytest.raises(AudioError) as caught:
        load_audio(path, read_rate)
    assert caught.value.fault == "short"
    assert "lasts 0.1 " not in str(caught.value)


@pytest.mark.parametrize("end", [None, 60.0])
def test_an_excerpt_that_starts_after_the_end_is_named(tmp_path, end):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(8000), 8000)
    with pytest.raises(AudioError, match=r"before 50 s.*start"):
        load_audio(path, start=50.0, end=end)
