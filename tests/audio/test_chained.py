"""Chained files are recognised, and read to their end."""

import pytest
import soundfile

from earmark.audio.chained import is_chained
from earmark.audio.reading import load_audio


@pytest.mark.parametrize("suffix", [".mp3", ".ogg", ".opus"])
def test_a_chained_file_is_read_to_its_last_recording(tmp_path, rng, suffix):
    parts = []
    for seconds in (2, 3):
        noise = rng.uniform(-0.3, 0.3, (48_000 * seconds, 2))
        options = {"format": "OGG", "subtype": "OPUS"} if suffix == ".opus" else {}
        path = tmp_path / f"{seconds}{suffix}"
        soundfile.write(path, noise, 48_000, **options)
        assert not is_chained(path)
        parts.append(path.read_bytes())
    chained = tmp_path / f"chained{suffix}"
    chained.write_bytes(b"".join(parts))
    assert is_chained(chained)
    assert load_audio(chained).duration_seconds == pytest.approx(5, abs=0.1)


def test_other_files_are_not_chained(tmp_path, write_clip, rng):
    assert not is_chained(write_clip(tmp_path / "a.wav"))
    (tmp_path / "noise.mp3").write_bytes(rng.bytes(5000))
    assert not is_chained(tmp_path / "noise.mp3")


def test_an_mp3_with_a_tag_in_front_is_measured_from_the_first_frame(tmp_path, rng):
    soundfile.write(tmp_path / "a.mp3", rng.uniform(-0.3, 0.3, 48_000), 48_000)
    content = (tmp_path / "a.mp3").read_bytes()
    tag = b"ID3\x04\0\0" + bytes([0, 0, 1, 72]) + bytes(200)
    (tmp_path / "tagged.mp3").write_bytes(tag + content)
    assert not is_chained(tmp_path / "tagged.mp3")
    (tmp_path / "twice.mp3").write_bytes(tag + content + tag + content)
    assert is_chained(tmp_path / "twice.mp3")
