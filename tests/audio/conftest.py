"""Functions that write sound with the encoders of PyAV, and read it with its decoders."""

import av
import numpy as np
import pytest


@pytest.fixture(scope="session")
def tones():
    """A function that makes a rising tone with faint noise, in 16-bit steps."""

    def make(seconds, sample_rate=44_100, channels=1, seed=0):
        rng = np.random.default_rng(seed)
        time = np.arange(round(seconds * sample_rate)) / sample_rate
        phase = 2 * np.pi * (300 + 100 * seed + 80 * time) * time
        sound = 0.2 * np.sin(phase[:, None] * 1.1 ** np.arange(channels))
        sound += 0.01 * rng.standard_normal(sound.shape)
        return (np.round(sound * 2**15) / 2**15).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def encode():
    """A function that writes samples, (time, channels), with an encoder of FFmpeg."""

    def encode(path, samples, sample_rate, encoder, **options):
        muxer = {key: options.pop(key) for key in ("write_xing", "id3v2_version") if key in options}
        container_format = options.pop("format", None)
        layout = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}[samples.shape[1]]
        steps = np.ascontiguousarray(np.round(samples * 2**15).clip(-(2**15), 2**15 - 1))
        with av.open(str(path), "w", format=container_format, options=muxer) as container:
            stream = container.add_stream(encoder, rate=sample_rate, layout=layout)
            stream.options = options
            frame = av.AudioFrame.from_ndarray(steps.astype(np.int16).reshape(1, -1), "s16", layout)
            frame.sample_rate = sample_rate
            frame.pts = 0
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return encode


@pytest.fixture(scope="session")
def decoded():
    """A function that decodes a file with PyAV, as an independent reader: the mean of channels."""

    def decode(path):
        converter = av.AudioResampler(format="flt")
        with av.open(str(path)) as container:
            return np.concatenate(
                [
                    packed.to_ndarray().reshape(-1, packed.layout.nb_channels).mean(axis=1)
                    for frame in container.decode(audio=0)
                    for packed in converter.resample(frame)
                ]
            )

    return decode
