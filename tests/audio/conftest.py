"""Makers of containers, with PyAV alone."""

import av
import numpy as np
import pytest


@pytest.fixture(scope="session")
def encode():
    """A function that encodes samples, (time, channels), as a track of a container."""

    def encode(path, samples, codec, *, rate=48_000, format=None, layout=None, options=None):
        samples = np.asarray(samples, np.float32).reshape(len(samples), -1)
        layout = layout or ("mono" if samples.shape[1] == 1 else "stereo")
        with av.open(str(path), "w", format=format, options=options or {}) as container:
            stream = container.add_stream(codec, rate=rate, layout=layout)
            stream.bit_rate = 64_000 * samples.shape[1]
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "flt", layout)
            frame.sample_rate, frame.pts = rate, 0
            form = stream.codec_context.codec.audio_formats[0].name
            converter = av.AudioResampler(form, layout, rate)
            for converted in [*converter.resample(frame), *converter.resample(None)]:
                container.mux(stream.encode(converted))
            container.mux(stream.encode(None))
        return path

    return encode


@pytest.fixture(scope="session")
def remux():
    """A function that copies the tracks of files into one container, with other time stamps."""

    def remux(sources, path, *, format=None, place=None, options=None, default=None):
        """``place`` turns seconds into other seconds, or None to leave a packet out."""
        inputs = [av.open(str(source)) for source in sources]
        with av.open(str(path), "w", format=format, options=options or {}) as target:
            streams = [target.add_stream_from_template(one.streams[0]) for one in inputs]
            for number, stream in enumerate(streams):
                flags = type(stream.disposition)
                if default is not None:
                    # PyAV takes a number here.
                    stream.disposition = flags["default"].value * (number == default)
            packets = [
                (float((packet.pts or 0) * packet.time_base), number, packet)
                for number, one in enumerate(inputs)
                for packet in one.demux(one.streams[0])
                if packet.size
            ]
            for seconds, number, packet in sorted(packets, key=lambda one: one[:2]):
                placed = place(seconds) if place else seconds
                if placed is None:
                    continue
                shift = round((placed - seconds) / packet.time_base)
                packet.pts += shift
                packet.dts += shift
                packet.stream = streams[number]
                target.mux(packet)
        for one in inputs:
            one.close()
        return path

    return remux


@pytest.fixture(scope="session")
def picture():
    """A function that writes a film without sound."""

    def picture(path, seconds):
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=10, width=32, height=32)
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
            for number in range(round(seconds * 10)):
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return picture
