"""The search for copies among ever more recordings: seconds, memory, and copies found.

``python benchmarks/copies_scaling.py --files 1000 4000 16000 64000``

Only the search is timed, not the listening. The fingerprints are drawn: of 5 s of sound, with as
many hashes as clips of ESC-10 have, which are as hard to tell apart as theirs (`HASH_BITS`). Some
are copies, with three hashes in ten and nine signs in ten unchanged: between Vorbis and MP3.
Each size runs in a fresh process.
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np

from earmark.features.fingerprints import HOP_LENGTH, NUM_FLIPS, Fingerprint
from earmark.features.matches import find_matches
from machine import describe_machine, peak_megabytes

NUM_FRAMES = 312
NUM_HASHES = 77
HASH_BITS = 21
"""Two hashes of different clips of ESC-10 are equal once in 2 to the 21.2 pairs, not 24."""
NUM_COPIES = 200
KEPT_HASHES = 0.3
FLIPPED_SIGNS = 0.1
LARGE = 1_000_000


def main() -> None:
    """Prints a row a size, the exponent of growth, and what a million recordings would take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[1000, 4000, 16_000, 64_000])
    parser.add_argument("--one", action="store_true", help="one size, as JSON")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(_measure(arguments.files[0])))
        return
    print(describe_machine("numpy", "scipy"))
    print(
        "\n| recordings | seconds | ms each | kB each kept | kB each at the peak | copies found |"
    )
    print("|---|---|---|---|---|---|")
    results = []
    for num_files in arguments.files:
        command = [sys.executable, __file__, "--one", "--files", str(num_files)]
        output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
        seconds, kept, peak, recall = json.loads(output)
        results.append((num_files, seconds))
        print(
            f"| {num_files:,} | {seconds:.1f} | {1000 * seconds / num_files:.2f} "
            f"| {kept / num_files:.1f} | {peak / num_files:.1f} | {recall:.1%} |",
            flush=True,
        )
    if len(results) > 1:
        files, times = np.log(np.array(results[-2:])).T
        exponent = (times[1] - times[0]) / (files[1] - files[0])
        hours = np.exp(times[1] + exponent * (np.log(LARGE) - files[1])) / 3600
        print(f"\nexponent between the last two sizes {exponent:.2f}; {LARGE:,} recordings would")
        print(f"take {hours:.1f} hours if it stays so")


def _measure(num_files: int) -> tuple[float, float, float, float]:
    """Seconds, kilobytes kept, kilobytes at the peak, and the share of copies found."""
    rng = np.random.default_rng(0)
    before = peak_megabytes()
    prints = [_draw(rng) for _ in range(num_files - NUM_COPIES)]
    sources = rng.choice(len(prints), NUM_COPIES, replace=False)
    prints += [_copy(prints[source], rng) for source in sources]
    kept = sum(len(one.to_bytes()) for one in prints) / 1024
    started_at = time.perf_counter()
    found = {(match.first, match.second) for match in find_matches(prints)}
    seconds = time.perf_counter() - started_at
    first = num_files - NUM_COPIES
    planted = {(int(source), first + number) for number, source in enumerate(sources)}
    peak = (peak_megabytes() - before) * 1024
    return seconds, kept, peak, len(found & planted) / NUM_COPIES


def _draw(rng: np.random.Generator) -> Fingerprint:
    frames = np.sort(rng.choice(NUM_FRAMES, NUM_HASHES, replace=False)).astype(np.uint32)
    signs = rng.integers(0, 256, NUM_FRAMES * HOP_LENGTH // 8, dtype=np.uint8)
    active = np.full(NUM_FRAMES // 8, 255, np.uint8)
    return Fingerprint(_hashes(rng), frames, _weak(rng), signs, active)


def _copy(original: Fingerprint, rng: np.random.Generator) -> Fingerprint:
    kept = rng.random(NUM_HASHES) < KEPT_HASHES
    flipped = np.packbits(rng.random(8 * len(original.signs)) < FLIPPED_SIGNS)
    hashes = np.where(kept, original.hashes, _hashes(rng))
    return replace(original, hashes=hashes, weak=_weak(rng), signs=original.signs ^ flipped)


def _hashes(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 1 << HASH_BITS, NUM_HASHES, dtype=np.uint32)


def _weak(rng: np.random.Generator) -> np.ndarray:
    """Masks of as many bits as are tried both ways."""
    places = rng.permuted(np.tile(np.arange(HASH_BITS), (NUM_HASHES, 1)), axis=1)[:, :NUM_FLIPS]
    return (np.uint32(1) << places.astype(np.uint32)).sum(axis=1).astype(np.uint32)


if __name__ == "__main__":
    main()
