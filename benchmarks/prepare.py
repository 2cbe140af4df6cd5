"""From files to stored features: `prepare` against librosa, a row a format and front end.

``python benchmarks/prepare.py path/to/music_speech_subset``

The peer is what one would write first, in one process: `librosa.load`, `librosa.feature`,
`np.save`.
Both sides start from files that were just read, so the disk does not count, and each runs in a
fresh process whose imports do not count. At 22.05 kHz, librosa's own rate, the wav files need no
resampling.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr

from earmark.config import FeatureConfig
from earmark.data.manifest import read_manifest
from earmark.data.preparation import prepare_recordings
from earmark.features.store import FeatureStore
from machine import describe_machine

FORMATS = {
    "wav, 22.05 kHz mono": ("wav", 22_050, 1),
    "flac, 44.1 kHz stereo": ("flac", 44_100, 2),
    "mp3, 44.1 kHz stereo": ("mp3", 44_100, 2),
    "ogg, 44.1 kHz stereo": ("ogg", 44_100, 2),
    "m4a, 44.1 kHz stereo": ("m4a", 44_100, 2),
}


FRONT_ENDS = {
    "22.05 kHz": FeatureConfig(sample_rate=22_050, n_fft=1024, win_length=1024, hop_length=512),
    "16 kHz (default)": FeatureConfig(),
}


def main() -> None:
    """Prints audio seconds per second of each format."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--clips", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", choices=("peer", "earmark"))
    parser.add_argument("--front-end", choices=FRONT_ENDS)
    arguments = parser.parse_args()
    if arguments.side:
        measure = _peer if arguments.side == "peer" else _earmark
        with tempfile.TemporaryDirectory() as folder:
            config = FRONT_ENDS[arguments.front_end]
            print(json.dumps(measure(arguments.data, Path(folder), config)))
        return
    print(describe_machine("librosa", "soundfile", "soxr", "av", "numpy", "scipy"))
    print(f"{arguments.clips} clips of 30 s, median of {arguments.rounds} rounds\n")
    print("| files | front end | librosa s/s | earmark s/s | ratio |")
    print("|---|---|---|---|---|")
    for name, kind in FORMATS.items():
        with tempfile.TemporaryDirectory() as folder:
            seconds = write_clips(arguments.data, Path(folder), arguments.clips, *kind)
            for front_end in FRONT_ENDS:
                rounds = [
                    [_run(side, Path(folder), front_end) for side in ("peer", "earmark")]
                    for _ in range(arguments.rounds)
                ]
                theirs, ours = np.median(np.array(rounds), axis=0)
                cells = f"{seconds / theirs:,.0f} | {seconds / ours:,.0f} | {theirs / ours:.1f}"
                print(f"| {name} | {front_end} | {cells} |", flush=True)


def _run(side: str, folder: Path, front_end: str) -> float:
    command = [sys.executable, __file__, str(folder), "--side", side, "--front-end", front_end]
    result = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(result.stdout)


def _earmark(folder: Path, output: Path, config: FeatureConfig) -> float:
    recordings = read_manifest(folder).recordings
    started_at = time.perf_counter()
    prepared = prepare_recordings(recordings, FeatureStore(output, config))
    elapsed_seconds = time.perf_counter() - started_at
    assert len(prepared.keys) == len(recordings)
    return elapsed_seconds


def _peer(folder: Path, output: Path, config: FeatureConfig) -> float:
    import librosa

    import peer

    paths = [one.path for one in read_manifest(folder).recordings]
    peer.warm_up(config)
    started_at = time.perf_counter()
    for number, path in enumerate(paths):
        if path.suffix == ".m4a":  # librosa cannot read it without a program of its own
            samples = _decode_with_av(path)
            waveform = librosa.resample(
                samples.mean(axis=0), orig_sr=44_100, target_sr=config.sample_rate
            )
        else:
            waveform, _ = librosa.load(path, sr=config.sample_rate)
        np.save(output / f"{number}.npy", peer.log_mel(waveform, config))
    return time.perf_counter() - started_at


def _decode_with_av(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([one.to_ndarray() for one in container.decode(audio=0)], axis=1)


def write_clips(
    data: Path, folder: Path, num_clips: int, extension: str, sample_rate: int, channels: int
) -> float:
    """Writes clips in another format; their length in seconds, all together."""
    seconds = 0.0
    (folder / "all").mkdir()
    tracks = read_manifest(data).recordings
    for number in range(num_clips):
        samples, rate = soundfile.read(tracks[number % len(tracks)].path, dtype="float32")
        # Each time round a little softer, because `prepare` knows the same content again.
        gain = 0.9 * 0.97 ** (number // len(tracks))
        samples = soxr.resample(samples, rate, sample_rate) * gain
        seconds += len(samples) / sample_rate
        # Two different channels, so that a codec cannot store them as one.
        stereo = np.stack([samples, np.roll(samples, 7) * 0.8][:channels], axis=1)
        path = folder / "all" / f"{number}.{extension}"
        if extension == "m4a":
            _write_m4a(path, stereo, sample_rate)
        else:
            soundfile.write(path, stereo, sample_rate)
    return seconds


def _write_m4a(path: Path, stereo: np.ndarray, sample_rate: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=sample_rate, layout="stereo")
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(stereo.T), format="fltp", layout="stereo"
        )
        frame.sample_rate = sample_rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


if __name__ == "__main__":
    main()
