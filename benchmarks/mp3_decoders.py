"""What the decoders of mp3 cost, and what looking at a file first costs.

``python benchmarks/mp3_decoders.py --seconds 60 --rounds 9``

A minute of stereo at 44.1 kHz is encoded with a variable bit rate, with and without an Info frame.
Times are processor time, the shortest of the rounds; the difference is the largest from what
libmpg123, inside libsndfile, decodes.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import miniaudio
import numpy as np
import soundfile

from earmark.audio.decoding import open_source
from earmark.audio.formats.mpeg import recordings
from earmark.audio.recordings import examine
from earmark.audio.source import WHOLE
from machine import describe_machine

RATE = 44_100
SHORT_FORMATS = ("wav", "flac", "ogg", "mp3", "aiff")


def main() -> None:
    """Prints a row for each decoder, and one for each format of a short file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    noise = np.random.default_rng(0).standard_normal((arguments.seconds * RATE, 2))
    print(describe_machine("soundfile", "miniaudio", "av", "numpy"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        info, plain = folder / "info.mp3", folder / "plain.mp3"
        _encode(info, 0.05 * noise, "1")
        _encode(plain, 0.05 * noise, "0")
        _print_decoders(info, plain, arguments.rounds)
        _print_short(folder, noise[:RATE, 0], arguments.rounds)


def _print_decoders(info: Path, plain: Path, rounds: int) -> None:
    reference = _by_earmark(plain)
    print("\n| decoder | file | ms | largest difference |\n|---|---|---|---|")
    for name, path, decode in (
        ("libsndfile", info, _by_libsndfile),
        ("earmark", info, _by_earmark),
        ("earmark", plain, _by_earmark),
        ("dr_mp3", plain, _by_miniaudio),
        ("FFmpeg, through PyAV", plain, _by_av),
    ):
        milliseconds = _shortest(lambda path=path, decode=decode: decode(path), rounds)
        difference = np.abs(decode(path) - reference).max() if path == plain else None
        shown = "" if difference is None else f"{difference:.1g}"
        print(f"| {name} | {path.stem} | {milliseconds:.1f} | {shown} |")
    with plain.open("rb") as file:
        extent = range(plain.stat().st_size)
        walk = _shortest(lambda: recordings(file, extent), rounds)
    print(f"| the walk alone | plain | {walk:.1f} | |")


def _print_short(folder: Path, sound: np.ndarray, rounds: int) -> None:
    print("\n| file of 1 s | examined in µs |\n|---|---|")
    for suffix in SHORT_FORMATS:
        path = folder / f"short.{suffix}"
        soundfile.write(path, 0.05 * sound, RATE)
        print(
            f"| {suffix} | {1000 * _shortest(lambda path=path: _examine(path), 50 * rounds):.0f} |"
        )


def _examine(path: Path) -> None:
    with path.open("rb") as file:
        examine(path, file, path.stat().st_size)


def _shortest(work: Callable[[], object], rounds: int) -> float:
    """The shortest processor time of some rounds, in ms."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1000 * min(times)


def _by_earmark(path: Path) -> np.ndarray:
    with open_source(path) as source:
        return np.concatenate(list(source.blocks(WHOLE)))


def _by_libsndfile(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32")[0]


def _by_miniaudio(path: Path) -> np.ndarray:
    blocks = miniaudio.stream_file(str(path), miniaudio.SampleFormat.FLOAT32, 2, RATE, 4 * RATE)
    return np.concatenate([np.frombuffer(block, np.float32) for block in blocks]).reshape(-1, 2)


def _by_av(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray().T for frame in container.decode(audio=0)])


def _encode(path: Path, sound: np.ndarray, info: str) -> None:
    with av.open(str(path), "w", options={"write_xing": info}) as container:
        stream = container.add_stream("libmp3lame", rate=RATE, layout="stereo")
        assert isinstance(stream, av.AudioStream)
        stream.options = {"q": "4"}
        packed = np.ascontiguousarray(sound.T.astype(np.float32))
        frame = av.AudioFrame.from_ndarray(packed, "fltp", "stereo")
        frame.sample_rate, frame.pts = RATE, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main()
