"""Faults of containers for `planted_faults.py`: gaps between time stamps, and damage."""

from pathlib import Path

import av
import numpy as np

RATE = 48_000
DAMAGED_BYTES = 600


def plant_gap(path: Path, samples: np.ndarray, rng: np.random.Generator) -> None:
    """A recorder that paused for 0.5 to 60 s, anywhere in the middle."""
    at, pause = rng.uniform(0.2, 0.8) * len(samples) / RATE, rng.uniform(0.5, 60)
    suffix = str(rng.choice([".webm", ".mka", ".m4a"]))
    whole = _encode(
        path.with_suffix(".whole.mka"), samples, "aac" if suffix == ".m4a" else "libopus"
    )
    with av.open(str(whole)) as source, av.open(str(path.with_suffix(suffix)), "w") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux():
            if packet.pts is not None and packet.dts is not None:
                shift = round(pause / packet.time_base) * (packet.pts * packet.time_base > at)
                packet.pts += shift
                packet.dts += shift
                packet.stream = stream
                target.mux(packet)
    whole.unlink()


def plant_damage(path: Path, samples: np.ndarray, rng: np.random.Generator) -> None:
    """Bytes that were overwritten, in the second half, as FFmpeg loses the rest of a cluster."""
    suffix, encoder = [(".webm", "libopus"), (".m4a", "aac"), (".wma", "wmav2")][rng.integers(3)]
    path = _encode(path.with_suffix(suffix), samples, encoder)
    content = bytearray(path.read_bytes())
    start = int(rng.uniform(0.6, 0.9) * len(content))
    content[start : start + DAMAGED_BYTES] = bytes(DAMAGED_BYTES)
    path.write_bytes(content)


def _encode(path: Path, samples: np.ndarray, encoder: str) -> Path:
    frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), "flt", "mono")
    frame.sample_rate, frame.pts = RATE, 0
    with av.open(str(path), "w") as target:
        stream = target.add_stream(encoder, rate=RATE, layout="mono")
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = 64_000
        formats = stream.codec_context.codec.audio_formats
        assert formats
        for converted in av.AudioResampler(formats[0].name).resample(frame):
            target.mux(stream.encode(converted))
        target.mux(stream.encode(None))
    return path
