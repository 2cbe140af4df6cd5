"""The search for copies among ever more recordings: seconds, memory, and copies found.

``python benchmarks/copies_scaling.py --files 4000 16000 64000 256000``

``python benchmarks/copies_scaling.py --files 4000 16000 64000 --same 1.0``

``python benchmarks/copies_scaling.py --files 4000 16000 64000 --stored``

Only the search is timed, in seconds of one processor, not the listening. The fingerprints are
drawn: of 5 s of sound, with as many hashes as clips of ESC-10 have, which are as hard to tell apart
as theirs (`SHORT_BITS`, `LATER_BITS`). One in twenty is a copy, with three hashes in ten and nine
signs in ten unchanged: between Vorbis and MP3. With ``--same`` a fraction of the others holds the
same beep at some instant. With ``--stored`` fingerprints are read from a store one by one, as
`check` does, instead of from memory. Each size runs in a fresh process.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from earmark.features import fingerprints
from earmark.features.fingerprint_cache import FingerprintCache, KeptFingerprints
from earmark.features.fingerprints import (
    HOP_LENGTH,
    NUM_FLIPS,
    NUM_LATER_FLIPS,
    Fingerprint,
)
from earmark.features.hash_index import Fingerprints
from earmark.features.matches import find_matches
from earmark.features.store import ClipKey
from machine import describe_machine, peak_megabytes, reset_peak

NUM_FRAMES = 312
NUM_HASHES = 77
SHORT_BITS, LATER_BITS = 21, 6
"""Two short hashes of different clips of ESC-10 are equal as often as random ones of so many bits,
and where they are, so are the later eight."""
COPIES = 0.05
KEPT_HASHES = 0.3
FLIPPED_BITS = 0.2
"""Of the hashes that are not kept."""
FLIPPED_SIGNS = 0.1
BEEP_FRAMES = 24
"""Length of the beep, 0.4 s, with a hash in each frame."""
LARGE = 1_000_000
DRAWN_AT_ONCE = 1024


def main() -> None:
    """Prints a row a size, the exponent of growth, and what a million recordings would take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[4000, 16_000, 64_000])
    parser.add_argument("--same", type=float, default=0.0, help="fraction that holds one beep")
    parser.add_argument("--stored", action="store_true", help="read fingerprints from a store")
    parser.add_argument("--one", action="store_true", help="one size, as JSON")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(_measure(arguments.files[0], arguments.same, arguments.stored)))
        return
    print(describe_machine("numpy", "scipy"))
    print(
        "\n| recordings | CPU s | ms each | kB each kept | kB each of the search | copies found |"
    )
    print("|---|---|---|---|---|---|")
    results = []
    for num_files in arguments.files:
        command = [sys.executable, __file__, "--one", "--files", str(num_files)]
        command += ["--same", str(arguments.same), *["--stored"] * arguments.stored]
        output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
        seconds, kept, peak, recall = json.loads(output)
        results.append((num_files, seconds))
        print(
            f"| {num_files:,} | {seconds:.1f} | {1000 * seconds / num_files:.2f} "
            f"| {kept / num_files:.1f} | {peak / num_files:.1f} | {recall:.1%} |",
            flush=True,
        )
    if len(results) > 1:
        print(f"\nexponent between the last two sizes {_exponent(results[-2:]):.2f}, ", end="")
        print(f"between the first and the last {_exponent(results):.2f}; at the latter")
        (num_files, seconds), exponent = results[-1], _exponent(results)
        hours = seconds * (LARGE / num_files) ** exponent / 3600
        print(f"{LARGE:,} recordings would take {hours:.2f} hours")


def _exponent(results: list[tuple[int, float]]) -> float:
    """Of the growth from the first to the last."""
    (files, seconds), (more_files, more_seconds) = results[0], results[-1]
    return float(np.log(more_seconds / seconds) / np.log(more_files / files))


def _measure(num_files: int, same: float, stored: bool) -> tuple[float, float, float, float]:
    """CPU seconds, kilobytes kept, kilobytes of the search, and the fraction of copies found."""
    drawn = Drawn(num_files, same)
    first, sources = num_files - len(drawn.sources), drawn.sources
    if stored:
        with TemporaryDirectory() as folder:
            keys = _store(drawn, Path(folder))
            del drawn
            kept = 0.0
            with FingerprintCache(Path(folder)) as cache:
                found, seconds, peak = _search(KeptFingerprints(cache, keys))
    else:
        kept = sum(one.nbytes for one in (drawn.words, drawn.frames, drawn.signs)) / 1024
        found, seconds, peak = _search(drawn)
    planted = {(int(source), first + number) for number, source in enumerate(sources)}
    return seconds, kept, peak, len(found & planted) / len(planted)


def _store(prints: Fingerprints, folder: Path) -> list[ClipKey]:
    """Writes fingerprints in their order, under keys that are in another one."""
    digests = [blake2b(str(one).encode(), digest_size=16) for one in range(len(prints))]
    keys = [ClipKey(one.hexdigest()) for one in digests]
    for first in range(0, len(keys), DRAWN_AT_ONCE):
        # What waits to be written would count as memory that the search need not ask for.
        with FingerprintCache(folder) as cache:
            for number in range(first, min(first + DRAWN_AT_ONCE, len(keys))):
                cache.put_fingerprint(keys[number], prints[number])
    return keys


def _search(prints: Fingerprints) -> tuple[set[tuple[int, int]], float, float]:
    """The pairs, CPU seconds, and the growth of the peak of memory in kilobytes."""
    reset_peak()
    before = peak_megabytes()
    started_at = time.process_time()
    found = {(match.first, match.second) for match in find_matches(prints)}
    seconds = time.process_time() - started_at
    return found, seconds, (peak_megabytes() - before) * 1024


class Drawn:
    """Fingerprints that were drawn; the last ones are copies of some of the others.

    Args:
        num_files: How many there are.
        same: Fraction that holds one beep.
    """

    def __init__(self, num_files: int, same: float) -> None:
        rng = np.random.default_rng(0)
        num_copies = round(COPIES * num_files)
        first = num_files - num_copies
        self.sources = np.sort(rng.choice(first, num_copies, replace=False))
        self.words = np.zeros((num_files, 2, NUM_HASHES), np.uint32)
        self.frames = np.zeros((num_files, NUM_HASHES), np.uint32)
        self.signs = np.zeros((num_files, NUM_FRAMES * HOP_LENGTH // 8), np.uint8)
        for start in range(0, num_files, DRAWN_AT_ONCE):
            self._draw(slice(start, min(start + DRAWN_AT_ONCE, num_files)), rng)
        if same:
            self._beep(rng.choice(first, round(same * first), replace=False), rng)
        for number, source in enumerate(self.sources, first):
            self._copy(source, number, rng)

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, index: int) -> Fingerprint:
        (hashes, weak), active = self.words[index], np.full(NUM_FRAMES // 8, 255, np.uint8)
        return Fingerprint(hashes, self.frames[index], weak, self.signs[index], active)

    def __iter__(self) -> Iterator[Fingerprint]:
        return (self[index] for index in range(len(self)))

    def _draw(self, part: slice, rng: np.random.Generator) -> None:
        shape = self.frames[part].shape
        self.words[part, 0] = _hashes(shape, rng)
        self.words[part, 1] = _weak(shape, rng)
        order = rng.random((shape[0], NUM_FRAMES)).argsort(axis=1)[:, :NUM_HASHES]
        self.frames[part] = np.sort(order, axis=1)
        self.signs[part] = rng.integers(0, 256, self.signs[part].shape, dtype=np.uint8)

    def _beep(self, holders: np.ndarray, rng: np.random.Generator) -> None:
        hashes, weak = _hashes((BEEP_FRAMES,), rng), _weak((BEEP_FRAMES,), rng)
        size = BEEP_FRAMES * HOP_LENGTH // 8
        signs = rng.integers(0, 256, size, dtype=np.uint8)
        for one in holders:
            at = rng.integers(NUM_HASHES - BEEP_FRAMES)
            start = min(self.frames[one, at], NUM_FRAMES - NUM_HASHES)
            self.frames[one, at:] = start + np.arange(NUM_HASHES - at)
            self.words[one, :, at : at + BEEP_FRAMES] = hashes, weak
            self.signs[one, start * HOP_LENGTH // 8 :][:size] = signs

    def _copy(self, source: int, number: int, rng: np.random.Generator) -> None:
        wrong = rng.random((NUM_HASHES, 32)) < FLIPPED_BITS
        wrong &= (rng.random(NUM_HASHES) > KEPT_HASHES)[:, None]
        flipped = np.packbits(rng.random(8 * self.signs.shape[1]) < FLIPPED_SIGNS)
        self.frames[number] = self.frames[source]
        self.words[number, 0] = self.words[source, 0] ^ np.packbits(wrong, axis=1).view("u4")[:, 0]
        self.signs[number] = self.signs[source] ^ flipped


def _hashes(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    short, later = (rng.integers(0, 1 << bits, shape) for bits in (SHORT_BITS, LATER_BITS))
    return (short | later << fingerprints.SHORT_BITS).astype(np.uint32)


def _weak(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Masks of as many bits as are tried both ways."""
    masks = np.zeros(shape, np.uint32)
    for first, bits, num_flips in (
        (0, SHORT_BITS, NUM_FLIPS),
        (fingerprints.SHORT_BITS, LATER_BITS, NUM_LATER_FLIPS),
    ):
        places = rng.random((*shape, bits), np.float32).argpartition(num_flips)[..., :num_flips]
        masks |= (1 << (first + places)).sum(axis=-1).astype(np.uint32)
    return masks


if __name__ == "__main__":
    main()
