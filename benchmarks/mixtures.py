"""Clips of speech, of music and of both at once, for a multi-label task, from whole recordings.

What must not give a label away is made alike. Speech and music both pass through 14 kHz on their
way to 16 kHz, so that neither holds anything above 7 kHz. Every clip has a level of its own, drawn
from one range whatever is in it. Stretches are as loud as their recording usually is, so that a
mixture does hold both. There is no clip of neither: noise made here would be told by its making.

The sources are divided before anything is mixed. Pieces of music are shared out to the splits, and
readers are dealt to the pieces; a clip is of one piece, of one of its readers, or of both. So the
piece is the group of all its clips, and holds its readers apart from all others.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from earmark.audio.reading import is_audio, load_audio
from earmark.errors import DataError
from earmark.system.files import atomic_write
from earmark.system.shapes import Float

SAMPLE_RATE, BAND_LIMIT_RATE = 16_000, 14_000
CLIP_SECONDS, STEP_SECONDS = 3.0, 0.1
MIN_UTTERANCE_SECONDS, MIN_PIECE_SECONDS = 4.0, 30.0
LOUDNESS_RANGE_DB = 6.0
"""How far the RMS of a stretch may be from that of its recording."""
DIFFERENCE_RANGE_DB = (-10.0, 10.0)
"""Speech above music."""
LEVEL_RANGE_DB = (-40.0, -22.0)
"""RMS of a clip below full scale."""
MAX_PEAK = 0.99
SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}
KINDS = (("speech",), ("music",), ("music", "speech"))
LEFT_OUT = {
    "flare-game/wind_ambient": "wind",
    "wesnoth-1.16-music/frantic-old": "frantic again",
    "wesnoth-1.16-music/northerners": "fewer samples than its last page counts",
    "hyperrogue-music/hr-savino-caribbean": "the same",
    "hyperrogue-music/hr-savino-ivory": "the same",
    "hyperrogue-music/hr-savino-ocean": "the same",
}
"""Pieces that the packages call music, and why they are not taken."""

Samples = Float[np.ndarray, " time"]


@dataclass(frozen=True)
class Piece:
    """A piece of music with all that may be mixed with it.

    Args:
        name: Package and name of the file; the group of its clips.
        path: The file.
        split: ``train``, ``validation`` or ``test``.
        utterances: One file a reader.
    """

    name: str
    path: Path
    split: str
    utterances: tuple[Path, ...]


def write_mixtures(
    pieces: Sequence[Piece], out: Path, num_clips: int, seed: int
) -> list[Mapping[str, object]]:
    """Writes clips as 16-bit wav, as many of each kind, and gives the rows of their manifest.

    Clip *n* depends on the seed, on *n* and on the pieces alone.

    Args:
        pieces: From `share_out`.
        out: Folder to write to.
        num_clips: How many.
        seed: For stretches, levels and differences.
    """
    numbers: dict[int, list[int]] = {}
    for number in range(num_clips):
        numbers.setdefault(number // len(KINDS) % len(pieces), []).append(number)
    rows: dict[int, Mapping[str, object]] = {}
    for index, own in numbers.items():
        piece = pieces[index]
        music = load_band_limited(piece.path)
        speech = {path: load_band_limited(path) for path in piece.utterances}
        for turn, number in enumerate(own):
            reader = piece.utterances[turn // len(KINDS) % len(speech)]
            kind = KINDS[number % len(KINDS)]
            sources = {"speech": speech[reader], "music": music}
            clip, levels = make_clip([sources[label] for label in kind[::-1]], (seed, number))
            path = out / f"{number:05d}.wav"
            _write_wav(path, clip)
            rows[number] = {
                "path": path,
                "label": ";".join(kind),
                "split": piece.split,
                "group": piece.name,
                "speaker": _reader(reader) if "speech" in kind else "",
                "piece": piece.name if "music" in kind else "",
                **levels,
            }
    return [rows[number] for number in sorted(rows)]


def make_clip(
    sources: Sequence[Samples], seed: tuple[int, int]
) -> tuple[Samples, dict[str, object]]:
    """A stretch of one source, or of two at once, at a level drawn from a range.

    Args:
        sources: Whole recordings; the first is the speech if there are two.
        seed: Of this clip.

    Returns:
        The clip, and what was drawn: ``difference_db``, empty for one source, and ``level_db``,
        lower than was drawn where the peak would have gone beyond `MAX_PEAK`.
    """
    rng = np.random.default_rng(seed)
    stretches = [choose_stretch(one, rng) for one in sources]
    difference_db, level_db = rng.uniform(*DIFFERENCE_RANGE_DB), rng.uniform(*LEVEL_RANGE_DB)
    clip, shown = stretches[0], ""
    if len(stretches) == 2:
        clip, shown = mix(clip, stretches[1], difference_db), f"{difference_db:.3f}"
    clip = clip * (10 ** (level_db / 20) / rms(clip))
    clip *= min(1.0, MAX_PEAK / np.abs(clip).max())
    return clip, {"difference_db": shown, "level_db": f"{20 * np.log10(rms(clip)):.3f}"}


def mix(speech: Samples, music: Samples, difference_db: float) -> Samples:
    """The sum of both, the RMS of the speech ``difference_db`` above that of the music."""
    return speech * (10 ** (difference_db / 20) / rms(speech)) + music / rms(music)


def rms(samples: Samples) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def choose_stretch(samples: Samples, rng: np.random.Generator) -> Samples:
    """Any stretch of `CLIP_SECONDS` whose RMS is that of the whole, give or take.

    Raises:
        DataError: There is none.
    """
    length, step = round(CLIP_SECONDS * SAMPLE_RATE), round(STEP_SECONDS * SAMPLE_RATE)
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    starts = np.arange(0, len(samples) - length + 1, step)
    means = (energy[starts + length] - energy[starts]) / length
    ratio = 10 ** (LOUDNESS_RANGE_DB / 10)
    usual = energy[-1] / len(samples)
    fit = starts[(means > usual / ratio) & (means < usual * ratio)]
    if not len(fit):
        raise DataError(f"no stretch of {CLIP_SECONDS} s is as loud as its recording; leave it out")
    start = rng.choice(fit)
    return samples[start : start + length]


def share_out(readers: Mapping[str, Path], pieces: Mapping[str, Path], seed: int) -> list[Piece]:
    """Pieces in the order of a shuffle, each with its split and its readers.

    Args:
        readers: Name to file.
        pieces: Name to file.
        seed: For the order of both.

    Raises:
        DataError: There are fewer readers than pieces.
    """
    if len(readers) < len(pieces):
        raise DataError(f"{len(pieces)} pieces but {len(readers)} readers; give each piece one")
    rng = np.random.default_rng(seed)
    names, speakers = rng.permutation(sorted(pieces)), rng.permutation(sorted(readers))
    ends = np.round(np.cumsum([*SHARES.values()]) * len(names))
    shared = []
    for index, name in enumerate(names):
        split = list(SHARES)[np.searchsorted(ends, index, side="right")]
        utterances = tuple(readers[speaker] for speaker in speakers[index :: len(names)])
        shared.append(Piece(str(name), pieces[name], split, utterances))
    return shared


def find_music(folder: Path) -> dict[str, Path]:
    """Pieces that `debian_audio.py` fetched: what is in a folder ``music`` and long enough.

    Returns:
        Package and name of the file, to the file.
    """
    pieces = {}
    for path in _sounds(folder):
        package, *folders, _ = path.relative_to(folder).parts
        name = f"{package}/{path.stem}"
        if "music" in folders and name not in LEFT_OUT and _lasts(path, MIN_PIECE_SECONDS):
            pieces[name] = path
    return pieces


def find_speech(folder: Path) -> dict[str, Path]:
    """The first utterance of each reader that is long enough, in files ``READER-CHAPTER-NUMBER``.

    Returns:
        Reader to file.
    """
    readers: dict[str, Path] = {}
    for path in _sounds(folder):
        if _lasts(path, MIN_UTTERANCE_SECONDS):
            readers.setdefault(_reader(path), path)
    return readers


def load_band_limited(path: Path) -> Samples:
    """A file at `SAMPLE_RATE` without what lies above half of `BAND_LIMIT_RATE`."""
    samples = load_audio(path, BAND_LIMIT_RATE).samples
    return soxr.resample(samples, BAND_LIMIT_RATE, SAMPLE_RATE)


def _reader(path: Path) -> str:
    return path.stem.split("-", 1)[0]


def _sounds(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if is_audio(path))


def _lasts(path: Path, seconds: float) -> bool:
    return soundfile.info(path).duration >= seconds


def _write_wav(path: Path, samples: Samples) -> None:
    content = io.BytesIO()
    soundfile.write(content, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    atomic_write(path, content.getvalue())
