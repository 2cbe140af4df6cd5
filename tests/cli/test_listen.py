"""What `earmark listen` and `earmark predict --raw` do with microphones and raw streams."""

import sys

import numpy as np
import pytest
import soundfile

from earmark.cli import cli
from earmark.inference.classifier import Classifier


@pytest.mark.parametrize(("kind", "scale"), [("s16le", 2.0**15), ("f32le", 1.0)])
def test_a_raw_stream_gives_the_windows_of_the_file(earmark, documents, model, sounds, kind, scale):
    path = sounds / "3.wav"
    samples, _ = soundfile.read(path, dtype="float32")
    data = (samples * np.float32(scale)).astype("<i2" if kind == "s16le" else "<f4").tobytes()
    command = ("predict", model, "-", "--raw", "16000", "--raw-format", kind)
    streamed = documents(earmark(*command, "--json", data=data))
    expected = list(Classifier.load(model, device="cpu").windows(path, hop_seconds=0.2))
    assert len(streamed) == len(expected) > 5
    for line, window in zip(streamed, expected, strict=True):
        assert (line["start"], line["end"]) == pytest.approx(window[:2], abs=1e-3)
        assert list(line["probabilities"].values()) == pytest.approx(window.probabilities, abs=1e-6)
        assert line["label"] == window.labels[0]
    result = earmark(*command, data=data)
    assert result.stdout.startswith("start\tend\tlabel\tprobabilities\n0.00\t1.00\t")
    assert "0.73 s" in result.stderr


class FakeMicrophone:
    """Stands for sounddevice: gives a file to the callback when it is started."""

    PortAudioError = RuntimeError
    samples = np.zeros(0, np.float32)

    class InputStream:
        latency = 0.1

        def __init__(self, *, samplerate, blocksize, device, channels, dtype, callback):
            assert (samplerate, channels, dtype) == (16_000, 1, "float32")
            if device == "nowhere":
                raise RuntimeError("no such device")
            self.blocksize, self.callback = blocksize, callback

        def start(self):
            buffer = np.empty((self.blocksize, 1), np.float32)
            for first in range(0, len(FakeMicrophone.samples), self.blocksize):
                block = FakeMicrophone.samples[first : first + self.blocksize, None]
                buffer[: len(block)] = block
                self.callback(buffer[: len(block)], len(block), None, 0)

        def close(self):
            pass


@pytest.fixture
def microphone(monkeypatch, sounds):
    monkeypatch.setattr(FakeMicrophone, "samples", soundfile.read(sounds / "3.wav", dtype="f4")[0])
    monkeypatch.setitem(sys.modules, "sounddevice", FakeMicrophone)


@pytest.fixture
def until_silence(monkeypatch):
    """A microphone that is read to its last block; then somebody presses Ctrl-C."""
    from earmark.audio.microphone import Microphone

    def blocks(self):
        while not self._blocks.empty():
            yield self._blocks.get()
        raise KeyboardInterrupt

    monkeypatch.setattr(Microphone, "blocks", blocks)


def test_a_microphone_is_predicted_as_the_file_is(
    earmark, documents, model, sounds, microphone, until_silence
):
    result = earmark("listen", model, "--json")
    assert result.exit_code == 130
    assert "0.83 s" in result.stderr
    lines = documents(result)
    expected = list(Classifier.load(model, device="cpu").windows(sounds / "3.wav", hop_seconds=0.2))
    # One window at a time sums in another order than a batch of them. The last one ends where the
    # sound does, and a microphone has no end.
    for line, window in zip(lines, expected, strict=False):
        assert list(line["probabilities"].values()) == pytest.approx(window.probabilities, abs=1e-6)
    assert len(lines) >= len(expected) - 1


def test_a_terminal_shows_bars_in_a_line_that_stays_when_the_label_changes(
    model, microphone, until_silence, monkeypatch, capsys
):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "72")
    with pytest.raises(SystemExit):
        cli.main(["listen", str(model)], standalone_mode=False)
    lines = capsys.readouterr().out.split("\r")
    assert len(lines) > 5
    assert all("█" in line and "%" in line for line in lines[1:])
    assert all(len(line.partition("\x1b")[0]) < 72 for line in lines)


def test_dropped_blocks_are_counted(earmark, model, microphone, until_silence, monkeypatch):
    monkeypatch.setattr("earmark.audio.microphone.QUEUED_BLOCKS", 45)
    result = earmark("listen", model, "--json")
    assert "blocks" in result.stderr.splitlines()[-2]


@pytest.mark.parametrize(
    ("module", "culprit"), [(None, "pip install 'earmark[mic]'"), (FakeMicrophone, "microphone")]
)
def test_a_microphone_that_is_missing_is_one_line(earmark, model, monkeypatch, module, culprit):
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    result = earmark("listen", model, "--microphone", "nowhere")
    assert result.exit_code == 2
    assert culprit in result.stderr.splitlines()[-1]


def test_changes_of_label_go_to_a_webhook(earmark, model, microphone, until_silence, monkeypatch):
    posted = []

    def webhook(url):
        from earmark.events.outbox import Outbox

        return Outbox(lambda document: posted.append((url, document)), "there")

    monkeypatch.setattr("earmark.events.webhook.webhook", webhook)
    result = earmark("listen", model, "--json", "--webhook", "http://there/hook")
    assert result.exit_code == 130
    assert posted[0][0] == "http://there/hook"
    assert posted[0][1]["label"] in ("music", "speech")


@pytest.mark.parametrize("option", [("--mqtt", "http://there"), ("--webhook", "mqtt://there")])
def test_a_wrong_address_is_one_line(earmark, model, microphone, option):
    result = earmark("listen", model, *option)
    assert result.exit_code == 2
    assert option[0] in result.stderr.splitlines()[-1]


def test_a_missing_mqtt_client_is_named(earmark, model, microphone, monkeypatch):
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    result = earmark("listen", model, "--mqtt", "mqtt://there")
    assert result.exit_code == 2
    assert "pip install 'earmark[mqtt]'" in result.stderr.splitlines()[-1]
