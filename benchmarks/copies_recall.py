"""Which planted copies the search finds by short and by long hashes, and how alike their bits are.

``python benchmarks/copies_recall.py ESC10 --clips 400 --each 150``

Copies are planted as by ``planted_faults.py``, but compared with one another only. Short hashes are
those of small collections; long ones count in an index of `LONG_FROM` hashes, of which these clips
are made to be one. The last column is the largest fraction of different bits in hashes at the same
instants of a copy that was found; `MAX_BIT_ERRORS` is where pairs are rejected without proof.
With ``--max-flips`` the search by long hashes looks up fewer settings of the uncertain bits, which
takes less time: those with no more flipped bits than that in the short hash and in the later bits.
"""

import argparse
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from earmark.audio.reading import is_audio, stream_audio
from earmark.features import hash_index, matches
from earmark.features.fingerprints import SAMPLE_RATE, Fingerprint, Hashes, fingerprint, probes
from machine import describe_machine
from planted_faults import FAULTS

KINDS = "near copy", "excerpt copy", "low-rate copy"
THRESHOLDS = np.arange(0.02, matches.MAX_BIT_ERRORS + 0.001, 0.02)


def main() -> None:
    """Prints a row a kind of copy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--each", type=int, default=150)
    parser.add_argument("--max-flips", type=int, help="uncertain bits that are flipped at once")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    files = sorted(path for path in arguments.data.rglob("*") if is_audio(path))
    files = [files[index] for index in rng.permutation(len(files))[: arguments.clips]]
    prints = [_fingerprint(path) for path in files]
    planted: dict[str, set[tuple[int, int]]] = {kind: set() for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            for number in range(arguments.each):
                source = int(rng.integers(len(files)))
                path = Path(folder) / f"{kind.replace(' ', '_')}_{number}.wav"
                samples, rate = soundfile.read(files[source], dtype="float32", always_2d=True)
                FAULTS[kind](path, samples.mean(axis=1), rate, rng)
                planted[kind].add((source, len(prints)))
                prints.append(_fingerprint(next(path.parent.glob(f"{path.stem}.*"))))
    short = _search(prints, hash_index.LONG_FROM)
    if arguments.max_flips is not None:
        hash_index.probes = partial(_some_probes, arguments.max_flips)
    long = _search(prints, 0)
    print(describe_machine("soundfile", "numpy", "scipy"))
    print("\n| copies | planted | found by short hashes | by long hashes | most bit errors |")
    print("|---|---|---|---|---|")
    for kind, pairs in planted.items():
        errors = max((_bit_errors(prints, short[pair]) for pair in pairs & short.keys()), default=0)
        print(
            f"| {kind} | {len(pairs)} | {len(pairs & short.keys())} | {len(pairs & long.keys())} "
            f"| {errors:.2f} |"
        )
    others = set().union(*planted.values())
    print(f"\nother pairs: {len(short.keys() - others)} and {len(long.keys() - others)}")


def _fingerprint(path: Path) -> Fingerprint:
    return fingerprint(stream_audio(path, SAMPLE_RATE))


def _search(prints: list[Fingerprint], long_from: int) -> dict[tuple[int, int], matches.Match]:
    hash_index.LONG_FROM = long_from
    return {(one.first, one.second): one for one in matches.find_matches(prints)}


def _some_probes(max_flips: int, hashes: Hashes, weak: Hashes, num_flips: int) -> Iterator[Hashes]:
    """Those of the probes that differ from the first one in few bits."""
    rows = probes(hashes, weak, num_flips)
    for flipped, row in enumerate(rows):
        # The rows are in the order of a Gray code.
        if (flipped ^ flipped >> 1).bit_count() <= max_flips:
            yield row


def _bit_errors(prints: list[Fingerprint], match: matches.Match) -> float:
    """The lowest threshold, in steps of 0.02, at which the pair would still be compared."""
    first, second = prints[match.first], prints[match.second]
    hops = round(match.offset_seconds / matches.HOP_SECONDS)
    for threshold in THRESHOLDS:
        if any(
            matches._resemble(first, second, hops + shift, float(threshold)) for shift in (-1, 0)
        ):
            return float(threshold)
    return float("nan")


if __name__ == "__main__":
    main()
