"""Plants faults of every kind in a copy of clips and counts which of them `check` finds.

``python benchmarks/planted_faults.py ESC10 --each 20``

``python benchmarks/planted_faults.py DIGITS --faults "low-rate copy" --each 200``

Everything that is drawn depends on the seed alone. A finding of a planted kind counts as right when
it names a planted file. Faults that the untouched clips have of themselves are found first and left
aside, but not their copies: any two files said to share sound that were not planted together count
as wrong, unless their samples correlate at `SAME` or more.
"""

import argparse
import csv
import shutil
import struct
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from scipy.signal import correlate

from earmark.audio.reading import is_audio
from earmark.audit.audit import check
from earmark.audit.findings import Audit
from earmark.data.manifest import read_manifest
from machine import describe_machine
from planted_containers import RATE, plant_damage, plant_gap

SAME = 0.7
"""Normalised correlation of samples at 8 kHz from which two files are of one source."""
SAME_SECONDS = 0.2

CODECS: dict[str, tuple[int, dict[str, Any]]] = {
    "mp3": (24_000, {"format": "MP3", "compression_level": 0.9}),
    "opus": (48_000, {"format": "OGG", "subtype": "OPUS", "compression_level": 0.95}),
    "ogg": (32_000, {"format": "OGG", "subtype": "VORBIS", "compression_level": 0.9}),
    "flac": (16_000, {"format": "FLAC"}),
    "wav": (8_000, {"format": "WAV"}),
}
Found = Mapping[str, Set[frozenset[str]]]
Plant = Callable[[Path, np.ndarray, int, np.random.Generator], None]


def main() -> None:
    """Prints a row a kind of fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--each", type=int, default=20)
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS)[:-1])
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = sorted(path for path in arguments.data.rglob("*") if is_audio(path))
        clips = [clips[index] for index in rng.permutation(len(clips))[: arguments.clips]]
        rows = [_copy(folder, number, path) for number, path in enumerate(clips)]
        before = _found(_check(folder, rows))
        planted = _plant_all(folder, rows, arguments.faults, arguments.each, rng)
        found = _found(_check(folder, rows))
        wrong_by_kind = _wrong(folder, found, before, planted)
    print(describe_machine("soundfile", "numpy"))
    print("\n| fault | planted | found | recall | wrong | precision |")
    print("|---|---|---|---|---|---|")
    for kind, names in planted.items():
        hits, wrong = names & found[_reported(kind)], wrong_by_kind[kind]
        precision = len(hits) / max(len(hits) + len(wrong), 1)
        print(
            f"| {kind} | {len(names)} | {len(hits)} | {len(hits) / len(names):.3f} "
            f"| {len(wrong)} | {precision:.3f} |"
        )


def _copy(folder: Path, number: int, path: Path) -> dict[str, str]:
    name = f"clip{number:03}{path.suffix}"
    shutil.copyfile(path, folder / name)
    return {"path": name, "label": path.parent.name, "group": path.stem}


def _check(folder: Path, rows: list[dict[str, str]]) -> Audit:
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ("path", "label", "group"))
        writer.writeheader()
        writer.writerows(rows)
    return check(read_manifest(folder), store=folder / "store")


def _found(audit: Audit) -> dict[str, set[frozenset[str]]]:
    """By kind or cause, the files that a finding names; copies as pairs."""
    found = defaultdict(set)
    for one in (*audit.findings, *audit.notes):
        kind = one.cause or one.kind
        if kind in {"duplicate", "near_duplicate", "excerpt"}:
            pairs = {frozenset(pair) for pair in combinations(one.paths, 2)}
            found["copy"] |= pairs
            if "different labels" in one.message:
                found["swapped label"] |= pairs
        elif kind in {"bandwidth", "similar_names", "missing_value"}:
            found[kind] |= {frozenset([path]) for path in one.paths}
        else:
            found[kind] |= {frozenset(one.paths)}
    return found


def _wrong(folder: Path, found: Found, before: Found, planted: Found) -> Found:
    """By kind, what was found and is not so."""
    paired = {names for kind in planted if _is_pair(kind) for names in planted[kind]}
    false = {names for names in found["copy"] - paired if not _is_one_source(folder, names)}
    return {
        kind: found[_reported(kind)] & false
        if _is_pair(kind)
        else found[kind] - before[kind] - names
        for kind, names in planted.items()
    }


def _is_one_source(folder: Path, names: frozenset[str]) -> bool:
    """Whether the samples of two files are alike somewhere, over at least `SAME_SECONDS`."""
    one, other = (_read_at_8_khz(folder / name) for name in names)
    products = correlate(one, other)
    shared = correlate(one**2, np.ones_like(other)), correlate(np.ones_like(one), other**2)
    lengths = correlate(np.ones_like(one), np.ones_like(other))
    # A stretch that is next to silent in either of the two proves nothing.
    loud = [part > 1e-2 * part.max() for part in shared]
    counted = (lengths >= SAME_SECONDS * 8000) & loud[0] & loud[1]
    return bool(np.any(np.abs(products[counted]) >= SAME * np.sqrt(np.prod(shared, 0)[counted])))


def _read_at_8_khz(path: Path) -> np.ndarray:
    samples, rate = soundfile.read(path, always_2d=True)
    return soxr.resample(samples.mean(axis=1), rate, 8000)


def _reported(kind: str) -> str:
    return {"swapped label": "swapped label"}.get(kind, "copy" if "copy" in kind else kind)


def _plant_all(
    folder: Path,
    rows: list[dict[str, str]],
    faults: Sequence[str],
    each: int,
    rng: np.random.Generator,
) -> dict[str, set[frozenset[str]]]:
    planted: dict[str, set[frozenset[str]]] = defaultdict(set)
    labels = sorted({row["label"] for row in rows})
    sources = list(rows)
    for kind in faults:
        for number in range(each):
            row, samples, rate = _draw(folder, sources, rng)
            path = folder / f"{kind.replace(' ', '_')}_{number}.wav"
            FAULTS[kind](path, samples, rate, rng)
            path = next(folder.glob(f"{path.stem}.*"))
            others = [one for one in labels if one != row["label"]]
            label = _label(kind, row["label"], others, rng)
            rows.append({"path": path.name, "label": label, "group": row["group"]})
            pair = {path.name, row["path"]} if _is_pair(kind) else {path.name}
            planted[kind].add(frozenset(pair))
    return planted


def _label(kind: str, label: str, others: Sequence[str], rng: np.random.Generator) -> str:
    """The label of a planted file."""
    spellings = {label.upper(), label.title(), label.swapcase()} - {label}
    choices = {
        "swapped label": others,
        "similar_names": sorted(spellings),
        "missing_value": ("nan", "NA", "None", "null"),
    }.get(kind)
    return choices[int(rng.integers(len(choices)))] if choices else label


def _draw(
    folder: Path, rows: list[dict[str, str]], rng: np.random.Generator
) -> tuple[dict[str, str], np.ndarray, int]:
    row = rows[int(rng.integers(len(rows)))]
    samples, rate = soundfile.read(folder / row["path"], dtype="float32", always_2d=True)
    return row, samples.mean(axis=1), rate


def _is_pair(kind: str) -> bool:
    return "copy" in kind or kind == "swapped label"


def _scaled(samples: np.ndarray, peak: float) -> np.ndarray:
    return samples * (peak / max(float(np.abs(samples).max()), 1e-9))


def _encode(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    """A random codec, rate and gain; the peak stays below full scale."""
    suffix = str(rng.choice(list(CODECS)))
    new_rate, options = CODECS[suffix]
    gain = 10 ** (rng.uniform(-20, 20) / 20)
    peak = float(np.clip(gain * np.abs(samples).max(), 0.05, 0.9))
    copy = soxr.resample(_scaled(samples, peak), rate, new_rate)
    soundfile.write(path.with_suffix(f".{suffix}"), copy, new_rate, **options)


def _exact(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    soundfile.write(path, samples, rate, subtype="FLOAT")


def _near(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    start = int(rng.integers(rate // 20))
    _encode(path, samples[start:], rate, rng)


def _low_rate(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    """At most a second, through Opus at 16 to 24 kbit/s or MP3 at 32 kbit/s."""
    copy = soxr.resample(_scaled(samples[:rate], 0.5), rate, 16_000)[int(rng.integers(160)) :]
    if rng.random() < 0.5:
        # libsndfile takes 1 for 6 kbit/s and 0 for 250 kbit/s.
        level = 1 - (rng.uniform(16, 24) - 6) / 244
        options = {"format": "OGG", "subtype": "OPUS", "compression_level": level}
        soundfile.write(path.with_suffix(".opus"), copy, 16_000, **options)
    else:
        # At 16 kHz 1 is 8 kbit/s and 0 is 160 kbit/s.
        options = {"format": "MP3", "bitrate_mode": "CONSTANT", "compression_level": 128 / 152}
        soundfile.write(path.with_suffix(".mp3"), copy, 16_000, **options)


def _excerpt(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    """From 1 to 3 seconds around the loudest instant, which silence has no part in."""
    size = round(rng.uniform(1, 3) * rate)
    loudest = int(np.argmax(np.convolve(samples**2, np.ones(rate // 10), "same")))
    start = int(np.clip(loudest - rng.uniform(0.2, 0.8) * size, 0, max(len(samples) - size, 0)))
    _encode(path, samples[start : start + size], rate, rng)


def _unlike(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Low noise with the clip's envelope, so that a faulty file is nobody's copy."""
    envelope = np.sqrt(np.convolve(samples**2, np.ones(4096) / 4096, "same")) + 1e-3
    # White noise at 44.1 kHz has most of its power above the band, which is a finding of its own.
    white = rng.standard_normal(len(samples)).clip(-3, 3)
    noise = np.convolve(white, np.hanning(18)[1:-1], "same") * envelope
    return _scaled(noise, 0.5).astype(np.float32)


def _clipped(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    smooth = np.convolve(_unlike(samples, rng), np.hanning(16) / 8, "same")
    limit = rng.uniform(0.3, 1.0)
    soundfile.write(path, np.clip(_scaled(smooth, 2 * limit), -limit, limit), rate)


def _offset(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    soundfile.write(path, 0.5 * _unlike(samples, rng) + rng.uniform(0.03, 0.3), rate)


def _dead(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    pair = np.stack([_unlike(samples, rng), np.zeros(len(samples))], axis=1)
    soundfile.write(path, pair[:, :: rng.choice([-1, 1])], rate)


def _not_finite(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    noise = _unlike(samples, rng)
    noise[int(rng.integers(len(noise)))] = rng.choice([np.nan, np.inf])
    soundfile.write(path, noise, rate, subtype="FLOAT")


def _silent(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    soundfile.write(path, _scaled(_unlike(samples, rng), 9e-4), rate)


def _truncated(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    path = path.with_suffix(f".{rng.choice(['wav', 'w64', 'rf64', 'aiff', 'au', 'caf', 'flac'])}")
    soundfile.write(path, _unlike(samples, rng), rate, "PCM_16")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * rng.uniform(0.2, 0.9))])


def _unclosed(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    """A wav without its sizes, or an Ogg file without its last page."""
    if rng.random() < 0.5:
        path = path.with_suffix(".ogg")
        soundfile.write(path, _unlike(samples, rng), rate)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * rng.uniform(0.7, 0.99))])
        return
    soundfile.write(path, _unlike(samples, rng), rate)
    content = bytearray(path.read_bytes())
    content[40:44] = struct.pack("<I", rng.choice([0, 0x8000_0000, 0xFFFF_FFFF]))
    path.write_bytes(content)


def _joined(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    _join(path, [(_unlike(samples, rng), rate), (_unlike(samples, rng), rate)], rng)


def _other_rate(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    _join(path, [(_unlike(samples, rng), rate), (_unlike(samples, rng), rate // 2)], rng)


def _other_channels(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    pair = np.stack([_unlike(samples, rng), _unlike(samples, rng)], axis=1)
    parts = [(_unlike(samples, rng), rate), (pair, rate)]
    _join(path, parts[:: rng.choice([-1, 1])], rng)


def _join(path: Path, parts: list[tuple[np.ndarray, int]], rng: np.random.Generator) -> None:
    """Recordings one after another in one file."""
    path = path.with_suffix(f".{rng.choice(['wav', 'flac', 'ogg', 'mp3', 'aiff'])}")
    content = b""
    for samples, rate in parts:
        soundfile.write(path, samples, rate)
        content += path.read_bytes()
    path.write_bytes(content)


def _lying(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    """Another sample rate than the bytes a second make, or another format than the name says."""
    if rng.random() < 0.5:
        soundfile.write(path, _unlike(samples, rng), rate, format="FLAC")
        return
    soundfile.write(path, _unlike(samples, rng), rate)
    content = bytearray(path.read_bytes())
    content[24:28] = struct.pack("<I", rate // 2)
    path.write_bytes(bytes(content))


def _short(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    soundfile.write(path, _unlike(samples, rng)[: int(rng.uniform(1, 0.09 * rate))], rate)


def _sound(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    """Nothing is wrong with the file; its label is."""
    soundfile.write(path, _unlike(samples, rng), rate)


def _empty(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    path.write_bytes(b"")


def _undecodable(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    path.write_bytes(rng.bytes(5000))


def _out_of_phase(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    left = _unlike(samples, rng)
    soundfile.write(path, np.stack([left, -rng.uniform(0.9, 1.0) * left], axis=1), rate)


def _wrong_scale(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    scale = 2.0 ** (rng.choice([8, 16, 24, 32]) - 1)
    soundfile.write(path, scale * _unlike(samples, rng), rate, subtype="FLOAT")


def _low_bits(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    integers = (2.0**23 * _unlike(samples, rng)).astype(np.int32)
    soundfile.write(path, integers, rate, subtype="PCM_32")


def _ultrasonic(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    """A chirp above what people can hear, at eight times the rate."""
    instants = np.arange(8 * len(samples)) / (8 * rate)
    wave = np.sin(2 * np.pi * (2 * rate * instants + 0.1 * rate * instants**2))
    soundfile.write(path, 0.5 * wave * rng.uniform(0.5, 1.0, len(wave)), 8 * rate)


def _paused(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    plant_gap(path, soxr.resample(_unlike(samples, rng), rate, RATE), rng)


def _overwritten(path: Path, samples: np.ndarray, rate: int, rng: np.random.Generator) -> None:
    plant_damage(path, soxr.resample(_unlike(samples, rng), rate, RATE), rng)


FAULTS: dict[str, Plant] = {
    "exact copy": _exact,
    "near copy": _near,
    "excerpt copy": _excerpt,
    "swapped label": _near,
    "clipped": _clipped,
    "dc_offset": _offset,
    "dead_channel": _dead,
    "not_finite": _not_finite,
    "silent": _silent,
    "truncated": _truncated,
    "header": _lying,
    "unclosed": _unclosed,
    "joined": _joined,
    "rate_change": _other_rate,
    "channel_change": _other_channels,
    "short": _short,
    "empty": _empty,
    "undecodable": _undecodable,
    "out_of_phase": _out_of_phase,
    "scale": _wrong_scale,
    "unused_bits": _low_bits,
    "bandwidth": _ultrasonic,
    "similar_names": _sound,
    "missing_value": _sound,
    "gap": _paused,
    "lost_sound": _overwritten,
    "low-rate copy": _low_rate,
}


if __name__ == "__main__":
    main()
