"""Cut, unclosed and joined files, and those of undeclared length, are read as what they are."""

import numpy as np
import pytest
import soundfile

from earmark.audio.decoding import open_source
from earmark.audio.reading import WHOLE, load_audio, read_mono
from earmark.errors import AudioError

PCM = [
    (".wav", "WAV", "PCM_16"),
    (".wav", "WAVEX", "PCM_24"),
    (".wav", "RF64", "PCM_16"),
    (".w64", "W64", "FLOAT"),
    (".aiff", "AIFF", "PCM_16"),
    (".au", "AU", "PCM_16"),
    (".caf", "CAF", "PCM_24"),
    (".voc", "VOC", "PCM_16"),
    (".sph", "NIST", "PCM_16"),
    (".sph", "NIST", "ULAW"),
]
JOINABLE = [one for one in PCM if one[0] not in (".voc", ".sph")]
PACKED = [
    (".caf", "CAF", "ALAC_16"),
    (".flac", "FLAC", "PCM_16"),
    (".ogg", "OGG", "VORBIS"),
    (".opus", "OGG", "OPUS"),
    (".mp3", "MP3", "MPEG_LAYER_III"),
    (".wav", "WAV", "MS_ADPCM"),
    (".wav", "WAV", "GSM610"),
]
ENCODED = [
    (".mp3", "libmp3lame", {"write_xing": "0"}),
    (".mp3", "libmp3lame", {}),
    (".wav", "libmp3lame", {}),
    (".mp2", "mp2", {}),
    (".oga", "flac", {"format": "ogg"}),
]


def notes_of(path):
    """The types of what is noticed in a file, and the length of its sound in seconds."""
    with open_source(path) as source:
        length = sum(map(len, read_mono(path, source, source.sample_rate, WHOLE)))
        return [note.kind for note in source.notes], length / source.sample_rate


def write(path, sound, name, subtype):
    soundfile.write(path, sound, 16_000, subtype, format=name)
    return path


@pytest.fixture
def files(tmp_path, tones, encode):
    """A function that writes a file of 2 s: with libsndfile, or with an encoder and options."""

    def make(suffix, writer, how):
        path = tmp_path / f"a{suffix}"
        if isinstance(how, dict):
            return encode(path, tones(2, 16_000), 16_000, writer, **how)
        return write(path, tones(2, 16_000), writer, how)

    return make


@pytest.mark.parametrize(("suffix", "writer", "how"), [*PCM, *PACKED, *ENCODED])
def test_a_file_with_more_than_a_tenth_missing_is_refused_or_noted(files, suffix, writer, how):
    path = files(suffix, writer, how)
    content = path.read_bytes()
    _, whole = notes_of(path)
    for percent in (8, 20, 33, 45, 57, 64, 71, 80, 88):
        path.write_bytes(content[: len(content) * percent // 100])
        try:
            notes, seconds = notes_of(path)
        except AudioError:
            continue
        assert notes == ["unclosed"] or seconds >= 0.9 * whole


@pytest.mark.parametrize(("suffix", "name", "subtype"), PCM)
def test_a_cut_file_is_truncated(tmp_path, tones, suffix, name, subtype):
    path = write(tmp_path / f"a{suffix}", tones(2, 16_000), name, subtype)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(AudioError, match=r"2\.00 s") as caught:
        load_audio(path)
    assert caught.value.fault == "truncated"


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF, 0x8000_0000])
@pytest.mark.parametrize("riff_size", [None, 0, 36])
def test_a_wav_that_its_recorder_did_not_close_is_read_to_its_end(tmp_path, tones, size, riff_size):
    sound = tones(1, 16_000)
    path = write(tmp_path / "a.wav", sound, "WAV", "PCM_16")
    content = bytearray(path.read_bytes())
    content[40:44] = size.to_bytes(4, "little")
    if riff_size is not None:
        content[4:8] = riff_size.to_bytes(4, "little")
    path.write_bytes(content + b"\x01")  # A part of a sample.
    np.testing.assert_array_equal(load_audio(path).samples, sound[:, 0])
    expected = sound[round(0.37 * 16_000) : round(0.9 * 16_000), 0]
    np.testing.assert_array_equal(load_audio(path, start=0.37, end=0.9).samples, expected)
    assert notes_of(path) == (["unclosed"], 1.0)


@pytest.mark.parametrize(("suffix", "writer", "how"), [*PCM, *PACKED, *ENCODED])
def test_ordinary_files_need_no_note(files, suffix, writer, how):
    assert notes_of(files(suffix, writer, how))[0] == []


@pytest.mark.parametrize(("suffix", "name", "subtype"), [*JOINABLE, *PACKED[1:4]])
def test_joined_files_are_read_to_the_end_of_the_last(tmp_path, tones, suffix, name, subtype):
    parts = [
        write(tmp_path / f"{seed}{suffix}", tones(1 + seed, 16_000, 1, seed), name, subtype)
        for seed in (0, 1)
    ]
    path = tmp_path / f"joined{suffix}"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    expected = np.concatenate([load_audio(part).samples for part in parts])
    np.testing.assert_array_equal(load_audio(path).samples, expected)
    np.testing.assert_allclose(
        load_audio(path, start=0.7, end=1.4).samples, expected[11_200:22_400], atol=1e-4
    )
    assert notes_of(path)[0] == ["joined"]


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_a_joined_file_may_change_its_rate_and_its_channels(tmp_path, tones, suffix):
    soundfile.write(tmp_path / f"1{suffix}", tones(1, 16_000), 16_000)
    soundfile.write(tmp_path / f"2{suffix}", tones(2, 32_000, 2), 32_000)
    path = tmp_path / f"joined{suffix}"
    path.write_bytes(b"".join((tmp_path / f"{n}{suffix}").read_bytes() for n in (1, 2)))
    notes, seconds = notes_of(path)
    assert sorted(notes) == ["channel_change", "rate_change"]
    assert seconds == pytest.approx(3)
    alone = load_audio(tmp_path / f"2{suffix}", 16_000).samples
    np.testing.assert_allclose(load_audio(path).samples[16_000:], alone, atol=1e-4)


@pytest.mark.parametrize("number", [1, 2, 5])
def test_equal_recordings_that_were_joined_count_each(tmp_path, tones, number):
    path = write(tmp_path / "a.flac", tones(1, 16_000), "FLAC", "PCM_16")
    path.write_bytes(path.read_bytes() * number)
    assert load_audio(path).duration_seconds == number


def test_excerpts_of_a_flac_of_unknown_length_are_exact(tmp_path, rng):
    sound = (rng.integers(-9000, 9000, 16_000 * 6) / 2**15).astype(np.float32)
    path = write(tmp_path / "a.flac", sound, "FLAC", "PCM_16")
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert notes_of(path) == (["unclosed"], 6.0)
    for start, end in ((0.37, 1.21), (3.9, 4.2), (5.5, None)):
        expected = sound[round(start * 16_000) : None if end is None else round(end * 16_000)]
        np.testing.assert_array_equal(load_audio(path, start=start, end=end).samples, expected)


@pytest.mark.parametrize("subtype", ["GSM610", "G721_32", "NMS_ADPCM_16", "IMA_ADPCM", "MS_ADPCM"])
def test_excerpts_of_codecs_that_cannot_seek_are_decoded_from_the_start(tmp_path, tones, subtype):
    path = write(tmp_path / "a.wav", tones(5, 16_000), "WAV", subtype)
    whole = load_audio(path).samples
    for start, end in ((0.37, 1.21), (2.5, 2.9), (4.5, None)):
        rate = 16_000
        expected = whole[round(start * rate) : None if end is None else round(end * rate)]
        np.testing.assert_array_equal(load_audio(path, start=start, end=end).samples, expected)


def test_sound_after_the_declared_sound_is_noted(tmp_path, tones):
    path = write(tmp_path / "a.wav", tones(1, 16_000), "WAV", "PCM_16")
    content = path.read_bytes()
    path.write_bytes(content + b"\x12\x34\x56\x78" * 5000)
    assert notes_of(path) == (["unread_sound"], 1.0)
    path = write(tmp_path / "b.wav", tones(4, 16_000), "WAV", "PCM_16")
    path.write_bytes(path.read_bytes() + b"\x12\x34\x56\x78" * 1500)
    assert notes_of(path)[0] == ["header"]


def test_sizes_that_were_not_updated_leave_unread_sound(tmp_path, rng):
    path = tmp_path / "a.wav"
    soundfile.write(path, 0.1 * rng.standard_normal(32_000), 16_000)
    content = bytearray(path.read_bytes())
    content[40:44] = (32_000).to_bytes(4, "little")
    path.write_bytes(content)
    with open_source(path) as source:
        assert "unread_sound" in {note.kind for note in source.notes}
    path.write_bytes(bytes(content[: 44 + 32_000 + 2000]))
    with open_source(path) as source:
        assert not source.notes


def test_a_voice_file_of_several_blocks_is_refused(tmp_path):
    head = b"Creative Voice File\x1a" + bytes.fromhex("1a000a012911")
    first = b"\x01" + (2 + 8000).to_bytes(3, "little") + bytes([194, 0]) + bytes(range(250)) * 32
    path = tmp_path / "a.voc"
    path.write_bytes(head + first + b"\0")
    assert load_audio(path).duration_seconds == pytest.approx(0.5, rel=0.02)
    path.write_bytes(head + first + b"\x02" + (8000).to_bytes(3, "little") + bytes(8000) + b"\0")
    with pytest.raises(AudioError, match=r"a\.voc") as caught:
        load_audio(path)
    assert caught.value.fault == "undecodable"
