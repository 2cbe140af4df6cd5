"""Headers are understood: where the sound is, how much they declare, and where a file ends."""

import io

import numpy as np
import pytest
import soundfile

from earmark.audio.formats.declared import layouts

FORMATS = [
    ("WAV", "PCM_16"),
    ("WAVEX", "PCM_24"),
    ("WAV", "IMA_ADPCM"),
    ("RF64", "PCM_16"),
    ("W64", "PCM_16"),
    ("AIFF", "PCM_16"),
    ("AIFF", "ULAW"),
    ("AU", "PCM_16"),
    ("CAF", "PCM_16"),
]
UNKNOWN_SIZES = {"zero": 0, "ones": -1, "largest": (1 << 63) - 1}


@pytest.fixture
def parse(tmp_path):
    """A function that parses the content of a file."""

    def parse(content):
        (tmp_path / "content").write_bytes(content)
        with (tmp_path / "content").open("rb") as file:
            return layouts(file, len(content))

    return parse


def written(name, subtype, num_samples=16_000):
    target = io.BytesIO()
    sound = np.random.default_rng(0).uniform(-0.1, 0.1, num_samples)
    sound[:50] = 0
    soundfile.write(target, sound, 16_000, subtype, format=name)
    return target.getvalue()


def with_sizes(content, layout, size):
    changed = bytearray(content)
    for field in layout.fields:
        largest = (1 << 8 * field.num_bytes) - 1
        changed[field.at : field.at + field.num_bytes] = (size & largest).to_bytes(
            field.num_bytes, field.order
        )
    return bytes(changed)


@pytest.mark.parametrize(("name", "subtype"), [*FORMATS, ("NIST", "PCM_16"), ("VOC", "PCM_16")])
def test_a_header_declares_all_of_its_sound(parse, name, subtype):
    content = written(name, subtype)
    (layout,) = parse(content)
    assert layout.extent == range(len(content))
    assert layout.declared == layout.held > 0
    assert layout.num_stray <= 1
    (cut,) = parse(content[: len(content) // 2])
    assert cut.declared == layout.declared
    assert cut.held == len(content) // 2 - layout.sound


@pytest.mark.parametrize("size", UNKNOWN_SIZES)
@pytest.mark.parametrize(("name", "subtype"), FORMATS)
def test_a_header_that_was_never_completed_declares_nothing(parse, tmp_path, name, subtype, size):
    content = written(name, subtype)
    (layout,) = parse(content)
    unclosed = with_sizes(content, layout, UNKNOWN_SIZES[size])
    (found,) = parse(unclosed)
    assert found.declared is None
    with (tmp_path / "content").open("rb") as file:
        head, rest = found.closed(file)
    closed = io.BytesIO(head + unclosed[rest.start : rest.stop])
    expected, _ = soundfile.read(io.BytesIO(content))
    np.testing.assert_array_equal(soundfile.read(closed)[0], expected)


@pytest.mark.parametrize(("name", "subtype"), FORMATS)
def test_each_of_joined_recordings_is_found(parse, name, subtype):
    content = written(name, subtype)
    first, second = parse(content + content)
    assert first.extent == range(len(content))
    assert second.extent == range(len(content), 2 * len(content))
    assert first.declared == second.declared == second.held


def test_no_sound_before_other_chunks_is_no_sound(parse):
    empty = written("WAV", "PCM_16", 0)
    (layout,) = parse(empty + b"LIST" + (26).to_bytes(4, "little") + b"INFOISFT" + bytes(18))
    assert layout.declared == 0
    (layout,) = parse(empty)
    assert (layout.declared, layout.num_stray) == (0, 0)


def test_sound_after_the_declared_sound_is_counted(parse):
    content = written("WAV", "PCM_16")
    (layout,) = parse(content + b"\x12\x34\x56\x78" * 5000)
    assert (layout.declared, layout.num_stray) == (32_000, 20_000)


def test_a_second_chunk_of_sound_is_counted(parse):
    content = written("WAV", "PCM_16")
    (layout,) = parse(content + b"data" + (20_000).to_bytes(4, "little") + bytes(20_000))
    assert (layout.declared, layout.num_stray) == (32_000, 20_008)


@pytest.mark.parametrize("content", [b"RIFF", b"RIFF\0\0\0\0WAVEfmt ", b"caff" + bytes(90), b"ID3"])
def test_what_has_no_sound_has_no_layout(parse, content):
    assert parse(content) == []
