"""Raw streams and microphones by themselves; the commands are in test_predict.py."""

import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.audio.microphone import (
    QUEUED_BLOCKS,
    RAW_BYTES,
    RAW_FORMATS,
    TIMEOUT_SECONDS,
    Microphone,
    raw_blocks,
)
from earmark.errors import ConfigError, DataError


def pipe(data, sizes):
    """A reader that gives pieces of these sizes, then all that is left, then nothing."""
    pieces, position = iter(sizes), 0

    def read(most):
        nonlocal position
        start, position = position, position + min(next(pieces, most), most)
        return data[start:position]

    return read


@given(
    sample_format=st.sampled_from(sorted(RAW_FORMATS)),
    data=st.binary(max_size=200),
    sizes=st.lists(st.integers(1, 9), max_size=40),
)
def test_the_samples_do_not_depend_on_how_the_bytes_arrive(sample_format, data, sizes):
    dtype = RAW_FORMATS[sample_format]
    whole = np.frombuffer(data[: len(data) - len(data) % dtype.itemsize], dtype)
    blocks = list(raw_blocks(pipe(data, sizes), sample_format))
    samples = np.concatenate([np.zeros(0, np.float32), *blocks])
    scale = 32768 if sample_format == "s16le" else 1
    np.testing.assert_array_equal(samples, (whole / scale).astype(np.float32))
    assert all(one.dtype == np.float32 for one in blocks)
    if sample_format == "s16le":
        assert (np.abs(samples) <= 1).all()


def test_bytes_are_read_when_their_samples_are(rng):
    """A block is passed on at once, not held back until there are more."""
    asked = []

    def read(most):
        asked.append(most)
        return rng.bytes(10) if len(asked) < 4 else b""

    blocks = raw_blocks(read, "s16le")
    assert asked == []
    for number in range(1, 4):
        assert len(next(blocks)) == 5
        assert len(asked) == number
    assert list(blocks) == []
    assert set(asked) == {RAW_BYTES}


def test_an_unknown_format_is_an_error():
    with pytest.raises(KeyError):
        next(raw_blocks(lambda _: b"\0", "u8"))


class FakeStream:
    """What sounddevice opens; the test calls its callback as the system would."""

    def __init__(self, **options):
        self.options, self.events, self.latency = options, [], (0.25, 0.125)
        self.active = True

    def start(self):
        self.events.append("start")

    def close(self):
        self.events.append("close")

    def record(self, samples, status=0):
        buffer = np.array(samples, np.float32)[:, None]
        self.options["callback"](buffer, len(buffer), None, status)
        # The system reuses its buffer.
        buffer[:] = np.nan


@pytest.fixture
def sounddevice(monkeypatch):
    fake = SimpleNamespace(PortAudioError=OSError, InputStream=FakeStream)
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


@pytest.fixture
def microphone(sounddevice):
    return Microphone(16_000)


def take(microphone, count):
    blocks = microphone.blocks()
    return [next(blocks).tolist() for _ in range(count)]


def test_the_input_is_one_channel_in_blocks_of_a_twentieth_of_a_second(sounddevice):
    options = Microphone(22_050, "USB")._stream.options
    del options["callback"]
    assert options == {
        "samplerate": 22_050, "blocksize": 1102, "device": "USB", "channels": 1, "dtype": "float32",
    }  # fmt: skip


def test_it_records_while_the_context_is_open_and_is_closed_after_an_error(microphone):
    stream = microphone._stream

    def listen():
        with microphone:
            assert stream.events == ["start"]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        listen()
    assert stream.events == ["start", "close"]


def test_the_latency_is_the_longest_of_those_reported(microphone):
    assert microphone.latency_seconds == 0.25


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=QUEUED_BLOCKS + 30))
def test_the_oldest_blocks_are_kept_in_order_and_the_others_counted(values):
    fake = SimpleNamespace(PortAudioError=OSError, InputStream=FakeStream)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "sounddevice", fake)
        microphone = Microphone(16_000)
    for value in values:
        microphone._stream.record([value])
    kept = values[:QUEUED_BLOCKS]
    assert take(microphone, len(kept)) == [[value] for value in kept]
    assert microphone.num_dropped == len(values) - len(kept)
    # A reader that has caught up goes on.
    microphone._stream.record([0.5])
    assert take(microphone, 1) == [[0.5]]


def test_blocks_dropped_by_the_system_are_counted_as_well(microphone):
    for _ in range(QUEUED_BLOCKS):
        microphone._stream.record([0.0])
    microphone._stream.record([0.0], status=4)
    assert microphone.num_dropped == 2


def test_a_block_that_arrives_later_is_waited_for(microphone):
    received = []
    reader = threading.Thread(target=lambda: received.extend(take(microphone, 3)))
    reader.start()
    for value in (0.25, 0.5, 0.75):
        microphone._stream.record([value, -value])
    reader.join(30)
    assert received == [[value, -value] for value in (0.25, 0.5, 0.75)]


@pytest.mark.parametrize(("active", "num_waits"), [(True, TIMEOUT_SECONDS), (False, 1)])
def test_a_microphone_that_goes_away_is_an_error(microphone, monkeypatch, active, num_waits):
    """What was recorded before comes first."""
    waits, wait = [], microphone._blocks.get

    def get(timeout):
        waits.append(timeout)
        return wait(timeout=0.0)

    monkeypatch.setattr(microphone._blocks, "get", get)
    blocks = microphone.blocks()
    microphone._stream.record([0.5])
    microphone._stream.active = active
    assert next(blocks).tolist() == [0.5]
    waits.clear()
    with pytest.raises(DataError, match="microphone"):
        next(blocks)
    assert waits == [1.0] * num_waits


@pytest.mark.parametrize("error", [OSError("Error querying device -1"), ValueError("No input")])
def test_an_input_that_cannot_be_opened_is_an_error(sounddevice, error):
    def refuse(**_):
        raise error

    sounddevice.InputStream = refuse
    with pytest.raises(ConfigError, match=str(error)):
        Microphone(16_000)


def test_an_input_that_cannot_be_started_is_closed(microphone, monkeypatch):
    def refuse():
        raise OSError("Device unavailable")

    monkeypatch.setattr(microphone._stream, "start", refuse)
    with (
        pytest.raises(ConfigError, match="Device unavailable"),
        microphone,
    ):
        pass
    assert microphone._stream.events == ["close"]


def test_a_missing_system_library_is_named(monkeypatch, tmp_path):
    """As sounddevice ends where PortAudio is not installed."""
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(ConfigError, match=r"PortAudio library not found.*libportaudio2"):
        Microphone(16_000)
