"""Clips of speech, music, both and neither, with their manifest, for `earmark train`.

``PYTHONPATH=benchmarks python -m speech_music.clips PACKAGES LIBRISPEECH OUT``

What is recorded is joined by songs and pieces that are made from a seed, by noises likewise, and by
seconds in which speech or music begins or ends.

Short recordings of one voice are joined, without their silences, to clips of `CLIP_SECONDS`; long
recordings of music give a few stretches. Each clip passes through a channel of its own, and all are
equally loud. Most mixing is left to training, which adds windows as energies (`augment.mix`); a few
clips of both are mixed here, at known levels, above all to validate by.
"""

import argparse
import io
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import scipy.ndimage
import soundfile

from datasets import Row, write_manifest
from earmark import audio
from earmark.decoding import WHOLE, Excerpt
from earmark.errors import AudioError, EarmarkError
from earmark.files import write_whole
from earmark.parallel import map_in_order
from speech_music.channels import SAMPLE_RATE, Samples, pass_through
from speech_music.noises import KINDS, make_noise
from speech_music.sources import READERS, Voice, find_voices

CLIP_SECONDS, PAUSE_SECONDS = 12.0, (0.0, 0.1)
MAX_CLIPS = {"speech": 40, "music": 4, "": 60}
"""Most clips of one voice, one piece or one collection."""
LEVEL_DB = -26.0
"""RMS of every clip below full scale."""
QUIET_DB, BLOCK_SECONDS, KEPT_BLOCKS = -35.0, 0.05, 4
"""Blocks that are softer than the loudest by more than this are silence, and so many of them are
kept before and after what is louder: pauses belong to speech."""
NOISES, MIXTURES = 900, {"train": 300, "validation": 240}
NOISE_GROUP, SONG_GROUP, PIECE_GROUP = "noise ", "song ", "piece "
"""How the groups of what is made from a seed begin."""
SONGS, PIECES, CHANGES = 2, 480, 2000
"""Songs of each LibriSpeech reader, pieces from a seed, and seconds in which something changes."""
SUNG_SECONDS, SHORTEST_SONG_SECONDS = (6.0, 10.0), 4.0
VOICE_ABOVE_MUSIC_DB = (-3.0, 9.0)
SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
SPEECH, MUSIC, BOTH, NEITHER = ("speech",), ("music",), ("music", "speech"), ()
TURNS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (SPEECH, NEITHER), (NEITHER, SPEECH), (SPEECH, MUSIC), (MUSIC, SPEECH), (MUSIC, NEITHER),
    (NEITHER, MUSIC), (MUSIC, BOTH), (BOTH, MUSIC),
)  # fmt: skip
"""What is heard before and after, in the clips in which something changes."""
CHANGE_SECONDS, CHANGE_SHARE, CHANGE_DB = 1.0, (0.1, 0.9), (-6.0, 6.0)
BACKGROUND_DB = (-60.0, -10.0)
SOFT_SHARE, SOFT_DB = 0.2, (-110.0, -40.0)
"""So many noises are softer than all other clips, down to what cannot be heard."""
DIFFERENCE_RANGE_DB = (-12.0, 18.0)
"""Speech above music, in the clips of both."""


def main() -> None:
    """Writes the clips and the manifest, and prints how much of what there is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", type=Path, help="from debian_audio.py")
    parser.add_argument("librispeech", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--soundfont", type=Path, default=SOUNDFONT, help="of General MIDI")
    arguments = parser.parse_args()
    out = arguments.out
    try:
        voices = find_voices(arguments.packages, arguments.librispeech)
    except EarmarkError as error:
        sys.exit(f"{parser.prog}: {error}")
    rows = [
        row
        for _, future in map_in_order(lambda voice: _render(voice, out), voices, 2)
        for row in future.result()
    ]
    rows += [*_mixtures(rows, out), *_noises(out)]
    rows += [*_songs(voices, rows, arguments.soundfont, out), *_pieces(arguments.soundfont, out)]
    rows += _changes(rows, out)
    write_manifest(out / "manifest.csv", rows)
    for split in ("train", "validation"):
        for label in ("speech", "music", "music;speech", ""):
            found = _of_kind(rows, split, label)
            hours = sum(soundfile.info(str(row["path"])).duration for row in found) / 3600
            groups = len({row["group"] for row in found})
            print(f"{split:10} {label or 'neither':12} {hours:.2f} h of {groups} groups")


def _render(voice: Voice, out: Path) -> list[Row]:
    rng = np.random.default_rng(zlib.crc32(voice.group.encode()))
    label = ";".join(voice.labels)
    make = _stretches if label == "music" else _joined
    rows: list[Row] = []
    for number, clip in enumerate(make(voice, MAX_CLIPS[label], rng)):
        path = out / "clips" / f"{voice.group.replace('/', '_')}_{number:02d}.flac"
        _write(path, pass_through(_at_level(clip), rng))
        rows.append({"path": path, "label": label, "split": voice.split, "group": voice.group})
    return rows


def _joined(voice: Voice, number: int, rng: np.random.Generator) -> Iterator[Samples]:
    """Clips of many short recordings end to end, in random order."""
    length = round(CLIP_SECONDS * SAMPLE_RATE)
    parts: list[Samples] = []
    for index in rng.permutation(len(voice.files)):
        sound = _without_silence(_load(voice.files[index]))
        pause = np.zeros(round(rng.uniform(*PAUSE_SECONDS) * SAMPLE_RATE), np.float32)
        parts += [sound, pause] if len(sound) else []
        while sum(map(len, parts)) >= length and number:
            whole = np.concatenate(parts)
            yield whole[:length]
            parts, number = [whole[length:]], number - 1
        if not number:
            return
    rest = np.concatenate([np.zeros(0, np.float32), *parts])
    if len(rest) >= 2 * SAMPLE_RATE:
        yield rest


def _stretches(voice: Voice, number: int, rng: np.random.Generator) -> Iterator[Samples]:
    """Clips from all over each long recording; a shorter one is one clip."""
    for path in voice.files:
        duration = soundfile.info(path).duration
        count = min(number, max(1, int(duration / CLIP_SECONDS)))
        room = max(0.0, duration - CLIP_SECONDS)
        for start in np.linspace(0.0, room, count + 2)[1:-1]:
            excerpt = Excerpt(float(start), float(start) + CLIP_SECONDS if room else None)
            clip = _without_silence(_load(path, excerpt))
            if len(clip) >= SAMPLE_RATE:
                yield clip


def _load(path: Path, excerpt: Excerpt = WHOLE) -> Samples:
    try:
        samples = audio.load(path, SAMPLE_RATE, excerpt).samples
    except AudioError as error:
        print(f"left out: {error}", file=sys.stderr)
        return np.zeros(0, np.float32)
    return _at_level(samples)


def _without_silence(samples: Samples) -> Samples:
    """The blocks that are not much softer than the loudest, and their neighbours."""
    length = round(BLOCK_SECONDS * SAMPLE_RATE)
    blocks = samples[: len(samples) // length * length].reshape(-1, length)
    if not len(blocks):
        return samples[:0]
    energy = np.mean(blocks**2, axis=1)
    is_loud = energy > energy.max() * 10 ** (QUIET_DB / 10)
    return blocks[scipy.ndimage.binary_dilation(is_loud, iterations=KEPT_BLOCKS)].ravel()


def _at_level(samples: Samples) -> Samples:
    rms = np.sqrt(np.mean(np.square(samples, dtype=np.float64)))
    return (samples * (10 ** (LEVEL_DB / 20) / max(rms, 1e-6))).astype(np.float32)


def _mixtures(rows: Sequence[Row], out: Path) -> Iterator[Row]:
    """Clips of both, of voices and pieces of one split."""
    rng = np.random.default_rng(0)
    for split, count in MIXTURES.items():
        kinds = {label: _of_kind(rows, split, label) for label in ("speech", "music")}
        for number in range(count):
            speech, music = (kinds[label][rng.integers(len(kinds[label]))] for label in kinds)
            sounds = [_read(row) for row in (speech, music)]
            length = min(map(len, sounds))
            difference_db = rng.uniform(*DIFFERENCE_RANGE_DB)
            clip = sounds[0][:length] * 10 ** (difference_db / 20) + sounds[1][:length]
            path = out / "clips" / f"both_{split}_{number:03d}.flac"
            _write(path, _at_level(clip))
            group = f"{speech['group']} over {music['group']}"
            yield {"path": path, "label": "music;speech", "split": split, "group": group}


def _noises(out: Path) -> Iterator[Row]:
    """Clips of steady noise of many kinds, through a channel each, and of next to nothing."""
    for number in range(NOISES):
        rng = np.random.default_rng((1, number))
        noise = make_noise(number, round(CLIP_SECONDS * SAMPLE_RATE), rng).astype(np.float32)
        noise = _at_level(pass_through(_at_level(noise), rng))
        if rng.random() < SOFT_SHARE:
            noise *= np.float32(10 ** ((rng.uniform(*SOFT_DB) - LEVEL_DB) / 20))
        path = out / "clips" / f"noise_{number:03d}.flac"
        _write(path, noise)
        split = "train" if number // len(KINDS) % 5 else "validation"
        yield {"path": path, "label": "", "split": split, "group": f"{NOISE_GROUP}{number}"}


def _songs(
    voices: Sequence[Voice], rows: Sequence[Row], soundfont: Path, out: Path
) -> Iterator[Row]:
    """Readers who sing: alone, to a piece from a seed, or to recorded music of their split."""
    from speech_music.singing import sing

    readers = [voice for voice in voices if voice.group.startswith(READERS)]
    jobs = [(reader, number) for reader in readers for number in range(SONGS)]

    def make(job: tuple[Voice, int]) -> Row | None:
        reader, number = job
        rng = np.random.default_rng((2, zlib.crc32(reader.group.encode()), number))
        speech = _load(reader.files[rng.integers(len(reader.files))])
        song = sing(_stretch(speech, rng.uniform(*SUNG_SECONDS), rng), rng)
        song = None if song is None else _without_silence(_at_level(song))
        if song is None or len(song) < SHORTEST_SONG_SECONDS * SAMPLE_RATE:
            return None
        music = _accompaniment(_of_kind(rows, reader.split, "music"), soundfont, rng)
        length = min(len(song), len(music))
        voice_db = rng.uniform(*VOICE_ABOVE_MUSIC_DB)
        song = _at_level(song[:length]) * np.float32(10 ** (voice_db / 20)) + music[:length]
        path = out / "clips" / f"song_{reader.group.replace('/', '_')}_{number}.flac"
        _write(path, _at_level(pass_through(_at_level(song), rng)))
        group = f"{SONG_GROUP}{reader.group} {number}"
        return {"path": path, "label": "music", "split": reader.split, "group": group}

    found = (future.result() for _, future in map_in_order(make, jobs, 2))
    return (row for row in found if row is not None)


def _accompaniment(music: Sequence[Row], soundfont: Path, rng: np.random.Generator) -> Samples:
    from speech_music.pieces import play

    kind = rng.integers(3)
    if kind == 0:
        return np.zeros(round(CLIP_SECONDS * SAMPLE_RATE), np.float32)
    if kind == 1:
        return _at_level(play(CLIP_SECONDS, soundfont, rng))
    return _read(music[int(rng.integers(len(music)))])


def _pieces(soundfont: Path, out: Path) -> Iterator[Row]:
    """Pieces from a seed, through a channel each."""
    from speech_music.pieces import play

    def make(number: int) -> Row:
        rng = np.random.default_rng((3, number))
        piece = _without_silence(_at_level(play(CLIP_SECONDS, soundfont, rng)))
        path = out / "clips" / f"piece_{number:03d}.flac"
        _write(path, pass_through(_at_level(piece), rng))
        split = "train" if number % 5 else "validation"
        return {"path": path, "label": "music", "split": split, "group": f"{PIECE_GROUP}{number}"}

    return (future.result() for _, future in map_in_order(make, range(PIECES), 2))


def _changes(rows: Sequence[Row], out: Path) -> Iterator[Row]:
    """Seconds in which something begins or ends; what lasts for half of them counts as heard."""
    kinds = {label: _of_kind(rows, "train", label) for label in ("speech", "music", "")}
    length = round(CHANGE_SECONDS * SAMPLE_RATE)
    for number in range(CHANGES):
        rng = np.random.default_rng((4, number))
        before, after = TURNS[number % len(TURNS)]
        at = round(length * rng.uniform(*CHANGE_SHARE))
        spans = {"": (0, length, rng.uniform(*BACKGROUND_DB))}
        for label in sorted({*before, *after}):
            last = length if label in after else at
            spans[label] = (0 if label in before else at, last, rng.uniform(*CHANGE_DB))
        sound = np.zeros(length, np.float32)
        for label, (first, last, gain_db) in spans.items():
            clip = _read(kinds[label][rng.integers(len(kinds[label]))])
            clip = _stretch(clip, CHANGE_SECONDS, rng)
            sound[first:last] += clip[first:last] * np.float32(10 ** (gain_db / 20))
        heard = [name for name, span in spans.items() if name and span[1] - span[0] >= length / 2]
        path = out / "clips" / f"change_{number:04d}.flac"
        _write(path, sound)
        group = f"change {number}"
        yield {"path": path, "label": ";".join(heard), "split": "train", "group": group}


def _of_kind(rows: Sequence[Row], split: str, label: str) -> list[Row]:
    return [row for row in rows if (row["split"], row["label"]) == (split, label)]


def _stretch(samples: Samples, seconds: float, rng: np.random.Generator) -> Samples:
    """A stretch of so many seconds from anywhere; all there is, when that is less."""
    length = round(seconds * SAMPLE_RATE)
    first = int(rng.integers(0, max(0, len(samples) - length), endpoint=True))
    return samples[first : first + length]


def _read(row: Row) -> Samples:
    return soundfile.read(str(row["path"]), dtype="float32")[0]


def _write(path: Path, samples: Samples) -> None:
    content = io.BytesIO()
    peak = max(1.0, float(np.abs(samples).max()))
    soundfile.write(content, samples / peak, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content.getvalue())


if __name__ == "__main__":
    main()
