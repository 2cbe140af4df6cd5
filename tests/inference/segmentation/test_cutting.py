from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import example, given
from hypothesis import strategies as st

from earmark.audio.reading import load_audio, stream_audio
from earmark.data.manifest import read_manifest
from earmark.errors import AudioError
from earmark.inference.segmentation.cutting import RecordingFolders, label_folders, split_audio
from earmark.inference.segmentation.segments import Segment

RATE = 22_050
LABELS = ("music", "speech")
SEGMENTS = (
    Segment(0.0, 0.75, "music", 0.9),
    Segment(0.5, 1.001, "speech", 0.9),
    Segment(1.25, 2.0, "music", 0.9),
)


def write(path, rng, subtype, channels=2):
    samples = rng.uniform(-0.9, 0.9, (2 * RATE, channels))
    soundfile.write(path, samples, RATE, subtype=subtype)
    return path


def stored(path, subtype):
    dtype = "float64" if subtype in {"FLOAT", "DOUBLE"} else "int32"
    return soundfile.read(path, dtype=dtype, always_2d=True)[0]


@pytest.mark.parametrize(
    ("extension", "subtype"),
    [("wav", f"PCM_{one}") for one in ("U8", "16", "24", "32")]
    + [("wav", one) for one in ("FLOAT", "DOUBLE", "ULAW")]
    + [("flac", coding) for coding in ("PCM_S8", "PCM_16", "PCM_24")]
    + [("aiff", "PCM_16"), ("au", "ALAW"), ("w64", "PCM_24")],
)
def test_stored_samples_are_copied_one_by_one(tmp_path, rng, monkeypatch, extension, subtype):
    monkeypatch.setattr("earmark.inference.segmentation.cutting.BLOCK_SAMPLES", 1000)
    path = write(tmp_path / f"a.{extension}", rng, subtype)
    whole = stored(path, subtype)
    files = split_audio(path, SEGMENTS, tmp_path / "out", labels=LABELS)
    for file, one in zip(files, SEGMENTS, strict=True):
        info = soundfile.info(file)
        assert (info.subtype, info.samplerate, info.channels) == (subtype, RATE, 2)
        expected = whole[round(one.start * RATE) : round(one.end * RATE)]
        np.testing.assert_array_equal(stored(file, subtype), expected)


@pytest.mark.parametrize("extension", ["mp3", "ogg", "opus", "m4a"])
def test_lossy_files_become_flac(tmp_path, write_clip, extension):
    path = tmp_path / f"a.{extension}"
    clip = write_clip(tmp_path / "a.wav", seconds=2.0, sample_rate=48_000)
    if extension == "m4a":
        encode(clip, path)
    else:
        formats = {"opus": ("OGG", "OPUS"), "ogg": ("OGG", "VORBIS")}
        container, subtype = formats.get(extension, ("MP3", "MPEG_LAYER_III"))
        soundfile.write(path, *soundfile.read(clip), format=container, subtype=subtype)
    files = split_audio(path, SEGMENTS, tmp_path / "out", labels=LABELS)
    for file, one in zip(files, SEGMENTS, strict=True):
        info = soundfile.info(file)
        assert (info.format, info.subtype, info.samplerate) == ("FLAC", "PCM_24", 48_000)
        expected = load_audio(path).samples[round(one.start * 48_000) : round(one.end * 48_000)]
        np.testing.assert_allclose(soundfile.read(file)[0], expected, atol=2.0**-22)


def test_segments_after_a_pause_are_cut_where_a_player_plays_them(
    tmp_path, rng, encode_track, remux
):
    whole = encode_track(tmp_path / "whole.webm", rng.uniform(-0.3, 0.3, 96_000), "libopus")
    path = remux([whole], tmp_path / "a.webm", place=lambda at: at + 5 * (at >= 1))
    (file,) = split_audio(
        path, [Segment(6.25, 6.75, "music", 0.9)], tmp_path / "out", labels=LABELS
    )
    expected = load_audio(whole, start=1.25, end=1.75).samples
    found = soundfile.read(file)[0]
    # Matroska rounds to 1 ms, here the start of the gap.
    lags = np.correlate(found, expected[100:-100], "valid")
    assert abs(int(np.argmax(lags)) - 100) <= 48
    assert lags.max() > 0.95 * np.square(expected).sum()


def encode(clip, path):
    samples, rate = soundfile.read(clip, dtype="float32")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.rate = rate
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)


def test_the_segments_are_a_data_set(tmp_path, rng, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "radio").mkdir()
    path = write(tmp_path / "radio" / "a.wav", rng, "PCM_16")
    files = split_audio(path, SEGMENTS, tmp_path / "out", labels=LABELS)
    assert [one.relative_to(tmp_path / "out").as_posix() for one in files] == [
        "music/radio__a.wav/0.000-0.750.wav",
        "speech/radio__a.wav/0.500-1.001.wav",
        "music/radio__a.wav/1.250-2.000.wav",
    ]
    recordings = read_manifest(tmp_path / "out").recordings
    labels = {one.path.name: one.labels for one in recordings}
    assert labels["0.500-1.001.wav"] == ("speech",)
    assert len({one.group for one in recordings}) == 1


def test_a_label_named_as_a_split_and_a_hidden_recording_can_be_read(tmp_path, rng, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / ".hidden.wav", rng, "PCM_16")
    labels = ("Train", "bus")
    parts = [replace(one, label=label) for one, label in zip(SEGMENTS, labels, strict=False)]
    split_audio(path, parts, tmp_path / "out", labels=labels)
    recordings = read_manifest(tmp_path / "out").recordings
    assert {one.labels for one in recordings} == {("Train_2",), ("bus",)}
    assert {one.split for one in recordings} == {None}


@pytest.mark.parametrize("label", ["../up", "a/b", "..", ".hidden", "/root"])
def test_no_label_leads_out_of_the_folder(tmp_path, rng, label):
    path = write(tmp_path / "a.wav", rng, "PCM_16")
    (file,) = split_audio(path, [Segment(0.0, 1.0, label, 0.9)], tmp_path / "out", labels=[label])
    place = file.relative_to(tmp_path / "out")
    assert file.is_file()
    assert not any(part.startswith(".") for part in place.parts)


@given(st.lists(st.text("aB/_.2", min_size=1, max_size=5), min_size=1, max_size=8, unique=True))
@example(["a/b", "a_b", "a_b_2", "A_B"])
@example([".", "..", "_", "/"])
def test_no_two_labels_share_a_folder(labels):
    folders = label_folders(labels)
    assert folders.keys() == set(labels)
    assert len({one.casefold() for one in folders.values()}) == len(labels)
    for label, name in folders.items():
        assert "/" not in name
        assert not name.startswith(".")
        plain = label.replace("/", "_").lstrip(".") or "_"
        numbered = name.startswith(f"{plain}_") and name[len(plain) + 1 :].isdigit()
        assert name == plain or numbered
    simple = [one for one in labels if "/" not in one and not one.startswith(".")]
    if len({one.casefold() for one in simple}) == len(simple):
        unnumbered = [one for one in simple if folders[one] == one]
        assert unnumbered == simple


def test_labels_of_similar_names_have_different_folders(tmp_path, rng):
    path = write(tmp_path / "a.wav", rng, "PCM_16")
    labels = ("rain", "rain/wind", "rain_wind")
    segments = [Segment(0.0, 1.0, label, 0.9) for label in labels]
    files = split_audio(path, segments, tmp_path / "out", labels=labels, name=Path("a.wav"))
    assert [one.relative_to(tmp_path / "out").parts[0] for one in files] == [
        *("rain", "rain_wind_2", "rain_wind"),
    ]
    # Labels that do not occur count as well: all recordings have the same folders.
    (alone,) = split_audio(path, segments[1:2], tmp_path / "out", labels=labels, name=Path("a.wav"))
    assert alone == files[1]


PARTS = st.text("aB_", min_size=1, max_size=4)
PATHS = st.builds(
    lambda parts, root: Path(root, *parts), st.lists(PARTS, min_size=1), st.sampled_from(["", "/"])
)


@given(st.lists(PATHS, min_size=1, max_size=8, unique=True))
@example([Path("a/b.wav"), Path("a__b.wav"), Path("/a/b.wav"), Path("a__b.wav_2"), Path("A/b.wav")])
def test_no_two_recordings_share_a_folder(paths):
    folders = RecordingFolders()
    names = [folders.name(path) for path in paths]
    assert len({name.casefold() for name in names}) == len(paths)
    assert [folders.name(path) for path in paths] == names
    assert names[0] == "__".join(part for part in paths[0].parts if part != "/")


@pytest.mark.parametrize(
    ("format", "suffix"), [("WAV", ".wav"), ("WAVEX", ".wav"), ("FLAC", ".flac"), ("AIFF", ".aiff")]
)
def test_a_recording_without_an_extension_has_segments_with_one(tmp_path, rng, format, suffix):
    path = tmp_path / "input"
    soundfile.write(path, rng.uniform(-0.9, 0.9, 2 * RATE), RATE, format=format, subtype="PCM_16")
    files = split_audio(path, SEGMENTS, tmp_path / "out", labels=LABELS, name=Path("-"))
    assert {file.suffix for file in files} == {suffix}
    assert len(read_manifest(tmp_path / "out").recordings) == 3


def test_more_channels_than_flac_holds_become_wav(tmp_path, rng):
    path = write(tmp_path / "a.ogg", rng, "VORBIS", channels=10)
    files = split_audio(path, SEGMENTS, tmp_path / "out", labels=LABELS)
    infos = [soundfile.info(file) for file in files]
    assert {(one.format, one.subtype, one.channels) for one in infos} == {("WAV", "PCM_24", 10)}


def test_what_cannot_be_written_is_named(tmp_path, rng, monkeypatch):
    monkeypatch.setattr("earmark.inference.segmentation.cutting.FLAC_CHANNELS", 64)
    path = write(tmp_path / "a.ogg", rng, "VORBIS", channels=10)
    with pytest.raises(AudioError, match=r"a\.ogg: .*FLAC"):
        split_audio(path, SEGMENTS, tmp_path / "out", labels=LABELS)


def test_damage_is_named_and_leaves_no_part_of_a_file(tmp_path, rng):
    path = write(tmp_path / "a.flac", rng, "PCM_16")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"a\.flac") as caught:
        split_audio(path, [Segment(0.0, 2.0, "music", 0.9)], tmp_path / "out", labels=LABELS)
    assert caught.value.fault == "damaged"
    assert [one for one in (tmp_path / "out").rglob("*") if one.is_file()] == []


def test_a_full_disk_is_an_error_that_names_the_file(tmp_path, rng, monkeypatch):
    path = write(tmp_path / "a.wav", rng, "PCM_16")

    normal = Path.open

    def opened(self, mode="r", *args, **more):
        path = Path("/dev/full") if mode == "wb" else self
        return normal(path, mode, *args, **more)

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(OSError, match="No space left") as raised:
        split_audio(path, SEGMENTS, tmp_path / "out", labels=LABELS)
    assert raised.value.filename.endswith(".wav")


FFMPEG_FORMATS = {".wav": "wav", ".flac": "flac", ".aiff": "aiff", ".au": "au", ".caf": "caf"}


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.aiff", "a.FLAC", "a.xyz"])
@pytest.mark.parametrize("container", ["WAV", "FLAC", "AIFF", "AU", "CAF", "W64", "NIST"])
def test_the_extension_fits_the_content_whatever_the_recording_is_called(
    tmp_path, rng, name, container
):
    path = tmp_path / name
    samples = rng.uniform(-0.9, 0.9, 2 * RATE)
    soundfile.write(path, samples, RATE, format=container, subtype="PCM_16")
    whole = stored(path, "PCM_16")
    files = split_audio(path, SEGMENTS, tmp_path / "out", labels=LABELS)
    for file, one in zip(files, SEGMENTS, strict=True):
        suffix = file.suffix.lower()
        expected = whole[round(one.start * RATE) : round(one.end * RATE)]
        np.testing.assert_array_equal(stored(file, "PCM_16"), expected)
        info = soundfile.info(file)
        assert info.format == ("WAV" if container == "NIST" else container)
        assert suffix == f".{info.format.lower()}"
        with av.open(str(file), format=FFMPEG_FORMATS.get(suffix)) as opened:
            frames = list(opened.decode(audio=0))
        assert sum(frame.samples for frame in frames) == len(expected)
    assert len(read_manifest(tmp_path / "out").recordings) == 3


def test_eight_bits_of_a_rare_container_are_kept(tmp_path, rng):
    path = tmp_path / "a.voc"
    soundfile.write(path, rng.uniform(-0.9, 0.9, 2 * RATE), RATE, format="SVX", subtype="PCM_S8")
    whole = stored(path, "PCM_S8")
    file, *_ = split_audio(path, SEGMENTS, tmp_path / "out", labels=LABELS)
    assert file.suffix == ".wav"
    np.testing.assert_array_equal(stored(file, "PCM_16"), whole[: round(0.75 * RATE)])


@pytest.mark.parametrize("extension", ["wav", "mp3"])
def test_a_segment_that_ends_after_the_recording_is_cut_at_its_end(tmp_path, rng, extension):
    subtype = {"wav": "PCM_16", "mp3": "MPEG_LAYER_III"}[extension]
    path = write(tmp_path / f"a.{extension}", rng, subtype)
    num_samples = sum(len(block) for block in stream_audio(path))
    segments = [Segment(1.5, 9.0, "music", 0.9)]
    (file,) = split_audio(path, segments, tmp_path / "out", labels=LABELS)
    assert soundfile.info(file).frames == num_samples - round(1.5 * RATE)


@pytest.mark.parametrize("start", [1.999_99, 2.0, 5.0])
def test_a_segment_after_the_end_of_the_recording_is_refused(tmp_path, rng, start):
    path = write(tmp_path / "a.wav", rng, "PCM_16")
    segments = [*SEGMENTS, Segment(start, 6.0, "music", 0.9)]
    with pytest.raises(AudioError, match=r"a\.wav: .*2\.000 s.*6\.000") as caught:
        split_audio(path, segments, tmp_path / "out", labels=LABELS)
    assert caught.value.fault == "short"


def test_recordings_in_deep_folders_and_long_labels_are_split(tmp_path, rng, monkeypatch):
    monkeypatch.chdir(tmp_path)
    label = "音" * 90
    folders = [Path(*(letter * 120 for letter in letters)) for letters in ("xyz", "wyz")]
    recordings, files = RecordingFolders(), []
    for folder in folders:
        folder.mkdir(parents=True)
        path = write(folder / ("f" * 240 + ".wav"), rng, "PCM_16")
        segments = (Segment(0.0, 1.0, label, 0.9),)
        files += split_audio(
            path, segments, tmp_path / "out", labels=[label], recordings=recordings
        )
    assert len(set(files)) == 2
    assert all(file.is_file() for file in files)
    assert len({one.group for one in read_manifest(tmp_path / "out").recordings}) == 2
