"""A stand-in for genres: excerpts of 2 to 3 s of the music of five games, in five folds by track.

``python benchmarks/debian_audio.py music flare-game hyperrogue-music singularity-music
unknown-horizons wesnoth-1.16-music``, then ``python benchmarks/game_music.py music games.csv``.

The label is the game. Up to 20 tracks of a game give about 100 excerpts, which lie beside the
manifest; the group is the track.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from datasets import write_manifest
from earmark.audio.reading import is_audio, load_audio
from earmark.errors import AudioError

SAMPLE_RATE = 22050
EXCERPTS = 100
TRACKS = 20
FOLDS = 5
QUIET_RMS = 0.01
"""Excerpts below are drawn again, at most so often."""
DRAWS = 20


def main() -> None:
    """Writes excerpts and manifest, and prints how many a game gave."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="folder from debian_audio.py")
    parser.add_argument("out", type=Path, help="manifest to write, .csv")
    arguments = parser.parse_args()
    folder = arguments.out.parent / arguments.out.stem
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows: list[dict[str, object]] = []
    for game in sorted(path for path in arguments.source.iterdir() if path.is_dir()):
        tracks = [samples for samples in _tracks(game) if len(samples) > 30 * SAMPLE_RATE]
        rng.shuffle(tracks)
        tracks = tracks[:TRACKS]
        for number, samples in enumerate(tracks):
            for take in range(-(-EXCERPTS // len(tracks))):
                path = folder / f"{game.name}-{number:02d}-{take}.flac"
                soundfile.write(path, _excerpt(samples, rng), SAMPLE_RATE)
                group, fold = f"{game.name}-{number}", number % FOLDS + 1
                rows.append({"path": path, "label": game.name, "group": group, "fold": fold})
        print(f"{game.name}: {len(tracks)} tracks")
    write_manifest(arguments.out, rows)
    print(f"{len(rows)} excerpts")


def _tracks(folder: Path) -> Iterator[np.ndarray]:
    for path in sorted(folder.rglob("*")):
        if is_audio(path):
            try:
                yield load_audio(path, SAMPLE_RATE).samples
            except AudioError as error:
                print(error)


def _excerpt(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    for _ in range(DRAWS):
        first = rng.integers(0, len(samples) - 3 * SAMPLE_RATE)
        excerpt = samples[first : first + int(rng.uniform(2, 3) * SAMPLE_RATE)]
        if np.sqrt(np.mean(excerpt**2)) > QUIET_RMS:
            break
    return np.clip(excerpt, -1, 1)


if __name__ == "__main__":
    main()
