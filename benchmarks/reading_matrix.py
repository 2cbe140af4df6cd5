"""Compares what earmark reads with what ffmpeg and sox read: formats x writers x excerpts.

``python benchmarks/reading_matrix.py --jobs 2``

``python benchmarks/reading_matrix.py --formats mp3 --rates 44100 --channels 1 2``

Every file is written by one of the commands ffmpeg, sox, lame and flac, by libsndfile or by PyAV.
Its mean over channels is compared with that of the samples that ffmpeg decodes from the whole
file: whole, from 0.37 to 1.21 s, the last half second, and across the border of a block. A case
differs if its length does by more than one sample, or a sample by more than 1e-3. Where it does,
sox decides: does it read what earmark does, what ffmpeg does, or neither?
"""

import argparse
import shlex
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import soundfile

from earmark.audio.reading import load_audio
from earmark.errors import AudioError
from machine import describe_machine
from reading_formats import FORMATS, Format

LENGTHS = (0.15, 1.0, 3.06, 9.0, 65.0)
RATES = (8000, 16_000, 22_050, 44_100, 48_000)
CHANNELS = (1, 2, 6, 8)
LONG_SECONDS = 10.0
LONG_CHANNELS = 2
"""More channels are tried in shorter files only."""
TOLERANCE_SAMPLES = 1
TOLERANCE = 1e-3
BORDER_SECONDS = 4.0
TIMEOUT_SECONDS = 120


class Case(NamedTuple):
    """A file to write."""

    format: Format
    seconds: float
    rate: int
    channels: int


@dataclass(frozen=True)
class Difference:
    """Where earmark and ffmpeg differ."""

    case: Case
    excerpt: tuple[float, float | None]
    what: str
    sox: str


class Outcome(NamedTuple):
    """The number of comparisons of a file, and which of them differ."""

    case: Case
    num_compared: int
    differences: tuple[Difference, ...]


def main() -> None:
    """Prints a row for each format and writer, then the differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--formats", nargs="+", default=[""], help="parts of format names")
    parser.add_argument("--lengths", nargs="+", type=float, default=LENGTHS)
    parser.add_argument("--rates", nargs="+", type=int, default=RATES)
    parser.add_argument("--channels", nargs="+", type=int, default=CHANNELS)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    formats = [one for one in FORMATS if any(part in one.name for part in arguments.formats)]
    cases = [
        Case(*values)
        for values in product(formats, arguments.lengths, arguments.rates, arguments.channels)
        if values[1] < LONG_SECONDS or values[3] <= LONG_CHANNELS
    ]
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(arguments.jobs) as pool:
        outcomes = [one for one in pool.map(lambda case: _try(Path(name), case), cases) if one]
    print(describe_machine("soundfile", "av", "numpy"))
    _print_table(outcomes)


def _print_table(outcomes: Sequence[Outcome]) -> None:
    rows: Mapping[Format, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        rows[outcome.case.format].append(outcome)
    print("\n| format | writer | files | compared | differ | sox reads | because |")
    print("|---|---|---|---|---|---|---|")
    for format_, group in rows.items():
        found = [one for outcome in group for one in outcome.differences]
        sox = ", ".join(f"{name}: {num}" for name, num in Counter(d.sox for d in found).items())
        compared = sum(outcome.num_compared for outcome in group)
        because = format_.difference if found else ""
        print(
            f"| {format_.name} | {format_.writer} | {len(group)} | {compared} | {len(found)} "
            f"| {sox} | {because} |"
        )
    total = sum(outcome.num_compared for outcome in outcomes)
    found = [one for outcome in outcomes for one in outcome.differences]
    unexplained = [one for one in found if not one.case.format.difference]
    print(
        f"\n{len(rows)} rows, {len(outcomes)} files, {total} comparisons; {len(found)} differ, "
        f"{len(unexplained)} of them without an explanation"
    )
    for one in unexplained[:40]:
        print(one.case.format.name, *one.case[1:], one.excerpt, one.what, "sox:", one.sox)


def _try(folder: Path, case: Case) -> Outcome | None:
    """Writes one file and compares; None where the writer does not offer the format."""
    stem = "_".join(map(str, (FORMATS.index(case.format), *case[1:])))
    path, wav = folder / f"{stem}{case.format.suffix}", folder / f"{stem}.in.wav"
    soundfile.write(wav, _sound(case), case.rate, "PCM_16")
    try:
        if case.channels > case.format.max_channels or not _write(case, wav, path):
            return None
        try:
            with av.open(str(path)) as container:
                stream = container.streams.audio[0]
                rate, channels = stream.rate, stream.channels
        except (av.error.FFmpegError, IndexError):  # IndexError: a writer made no sound of it.
            return None
        if not rate or not channels:
            return None
        theirs = _decoded(f"ffmpeg -v quiet -i {path} -f f32le -", channels)
        if not len(theirs):
            return None
        excerpts = list(_excerpts(len(theirs) / rate))
        found = [_compare(path, case, theirs, rate, excerpt) for excerpt in excerpts]
        return Outcome(case, len(excerpts), tuple(one for one in found if one))
    finally:
        wav.unlink()
        path.unlink(missing_ok=True)


def _excerpts(seconds: float) -> Iterator[tuple[float, float | None]]:
    yield 0.0, None
    if seconds > 1.3:
        yield 0.37, 1.21
    if seconds > 0.6:
        yield round(seconds - 0.5, 3), None
    for border in (BORDER_SECONDS, 15 * BORDER_SECONDS):
        if seconds > border + 1:
            yield border - 0.21, border + 0.33


def _compare(
    path: Path, case: Case, theirs: np.ndarray, rate: int, excerpt: tuple[float, float | None]
) -> Difference | None:
    start, end = excerpt
    span = slice(round(start * rate), None if end is None else round(end * rate))
    try:
        sound = load_audio(path, start=start, end=end)
    except AudioError as error:
        return Difference(case, excerpt, str(error).removeprefix(str(path)), "-")
    if sound.sample_rate != rate:
        rate = sound.sample_rate
        command = f"ffmpeg -v quiet -i {path} -ar {rate} -f f32le -"
        theirs = _decoded(command, case.channels)
        span = slice(round(start * rate), None if end is None else round(end * rate))
    what = _difference(sound.samples, theirs[span])
    if not what:
        return None
    by_sox = _decoded(f"sox -V1 {path} -t f32 -", case.channels)[span]
    if not _difference(sound.samples, by_sox):
        return Difference(case, excerpt, what, "as earmark")
    as_ffmpeg = not _difference(theirs[span], by_sox)
    sox = "as ffmpeg" if as_ffmpeg else "otherwise" if len(by_sox) else "nothing"
    return Difference(case, excerpt, what, sox)


def _difference(ours: np.ndarray, theirs: np.ndarray) -> str:
    """In what two decoded sounds differ; empty if they do not."""
    if abs(len(ours) - len(theirs)) > TOLERANCE_SAMPLES:
        return f"{len(ours)} samples instead of {len(theirs)}"
    shared = min(len(ours), len(theirs))
    largest = np.abs(ours[:shared] - theirs[:shared]).max(initial=0)
    return f"by {largest:.1g}" if largest > TOLERANCE else ""


def _decoded(command: str, channels: int) -> np.ndarray:
    """The mean over channels of what a command writes as float32."""
    done = subprocess.run(
        shlex.split(command), capture_output=True, check=False, timeout=TIMEOUT_SECONDS
    )
    usable = len(done.stdout) // (4 * channels) * 4 * channels
    return np.frombuffer(done.stdout[:usable], np.float32).reshape(-1, channels).mean(axis=1)


def _write(case: Case, wav: Path, path: Path) -> bool:
    """Writes a file; returns False where the writer cannot."""
    writer, recipe = case.format.writer, case.format.recipe
    if writer == "libsndfile":
        return _write_soundfile(wav, path, *recipe.split())
    if writer == "PyAV":
        return _write_av(wav, path, recipe)
    command = shlex.split(recipe.format(wav=wav, out=path))
    if "{out}" in recipe:
        done = subprocess.run(command, capture_output=True, check=False, timeout=TIMEOUT_SECONDS)
        return done.returncode == 0 and path.exists()
    # Through a pipe, so that the writer cannot go back to its header.
    done = subprocess.run(command, capture_output=True, check=False, timeout=TIMEOUT_SECONDS)
    path.write_bytes(done.stdout)
    return done.returncode == 0 and bool(done.stdout)


def _write_soundfile(wav: Path, path: Path, name: str, subtype: str) -> bool:
    samples, rate = soundfile.read(wav)
    try:
        soundfile.write(path, samples, rate, subtype, format=name)
    except (soundfile.LibsndfileError, ValueError):
        return False
    return True


def _write_av(wav: Path, path: Path, encoder: str) -> bool:
    try:
        with av.open(str(wav)) as source, av.open(str(path), "w") as target:
            given = source.streams.audio[0]
            stream = target.add_stream(encoder, rate=given.rate, layout=given.layout.name)
            assert isinstance(stream, av.AudioStream)
            for frame in source.decode(given):
                target.mux(stream.encode(frame))
            target.mux(stream.encode(None))
    except (av.error.FFmpegError, ValueError):
        return False
    return True


def _sound(case: Case) -> np.ndarray:
    """Tones of another pitch in each channel, a slow beat and faint noise."""
    rng = np.random.default_rng(0)
    time = np.arange(round(case.seconds * case.rate)) / case.rate
    pitch = 300 * 1.2 ** np.arange(case.channels)
    level = 0.2 * (0.6 + 0.4 * np.sin(2 * np.pi * 1.3 * time))
    tones = level[:, None] * np.sin(2 * np.pi * pitch * time[:, None])
    return tones + 0.003 * rng.standard_normal(tones.shape)


if __name__ == "__main__":
    main()
