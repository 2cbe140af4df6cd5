"""Clips of speech, music, both and neither, with their manifest, for `earmark train`.

``PYTHONPATH=benchmarks python -m speech_music.clips PACKAGES LIBRISPEECH OUT``

What is recorded is joined by songs, pieces, talk and noises that are made from a seed, and by
seconds in which speech or music begins or ends.

Short recordings of one voice are joined, without their silences, to clips of `CLIP_SECONDS`; long
recordings of music give a few stretches. Each clip passes through a channel of its own, and all are
equally loud. Most mixing is left to training, which adds windows as energies (`augment.mixup`); a
few clips of both are mixed here, at known levels, above all to validate by.
"""

import argparse
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

from datasets import Row, write_manifest
from earmark.audio.source import Excerpt
from earmark.errors import EarmarkError
from earmark.system.parallel import map_in_order
from speech_music.channels import SAMPLE_RATE, Samples, pass_through
from speech_music.made import CLIP_SECONDS, make_noises, make_pieces, make_songs, make_talks
from speech_music.sounds import (
    at_level,
    load,
    of_kind,
    read,
    read_any,
    stretch,
    without_silence,
    write,
)
from speech_music.sources import Voice, find_voices

PAUSE_SECONDS = (0.0, 0.1)
MAX_CLIPS = {"speech": 40, "music": 4, "": 60}
"""Most clips of one voice, one piece or one collection."""
MIXTURES, CHANGES = {"train": 300, "validation": 240}, 2000
"""Clips of both, and seconds in which something changes."""
SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
SPEECH, MUSIC, BOTH, NEITHER = ("speech",), ("music",), ("music", "speech"), ()
TURNS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (SPEECH, NEITHER), (NEITHER, SPEECH), (SPEECH, MUSIC), (MUSIC, SPEECH), (MUSIC, NEITHER),
    (NEITHER, MUSIC), (MUSIC, BOTH), (BOTH, MUSIC),
)  # fmt: skip
"""What is heard before and after, in the clips in which something changes."""
CHANGE_SECONDS, CHANGE_SHARE, CHANGE_DB = 1.0, (0.1, 0.9), (-6.0, 6.0)
BACKGROUND_DB = (-60.0, -10.0)
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
    out, clips = arguments.out, arguments.out / "clips"
    try:
        voices = find_voices(arguments.packages, arguments.librispeech)
    except EarmarkError as error:
        sys.exit(f"{parser.prog}: {error}")
    rows = [
        row
        for _, future in map_in_order(lambda voice: _render(voice, clips), voices, 2)
        for row in future.result()
    ]
    rows += [*_mixtures(rows, clips), *make_noises(clips)]
    rows += [*make_songs(voices, rows, arguments.soundfont, clips)]
    rows += [*make_pieces(arguments.soundfont, clips)]
    rows += [*_changes(rows, clips), *make_talks(voices, rows, clips)]
    write_manifest(out / "manifest.csv", rows)
    for split in ("train", "validation"):
        for label in ("speech", "music", "music;speech", ""):
            found = of_kind(rows, split, label)
            hours = sum(soundfile.info(str(row["path"])).duration for row in found) / 3600
            groups = len({row["group"] for row in found})
            print(f"{split:10} {label or 'neither':12} {hours:.2f} h of {groups} groups")


def _render(voice: Voice, out: Path) -> list[Row]:
    rng = np.random.default_rng(zlib.crc32(voice.group.encode()))
    label = ";".join(voice.labels)
    make = _stretches if label == "music" else _joined
    rows: list[Row] = []
    for number, clip in enumerate(make(voice, MAX_CLIPS[label], rng)):
        path = out / f"{voice.group.replace('/', '_')}_{number:02d}.flac"
        write(path, pass_through(at_level(clip), rng))
        rows.append({"path": path, "label": label, "split": voice.split, "group": voice.group})
    return rows


def _joined(voice: Voice, number: int, rng: np.random.Generator) -> Iterator[Samples]:
    """Clips of many short recordings end to end, in random order."""
    length = round(CLIP_SECONDS * SAMPLE_RATE)
    parts: list[Samples] = []
    for index in rng.permutation(len(voice.files)):
        sound = without_silence(load(voice.files[index]))
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
            clip = without_silence(load(path, excerpt))
            if len(clip) >= SAMPLE_RATE:
                yield clip


def _mixtures(rows: Sequence[Row], out: Path) -> Iterator[Row]:
    """Clips of both, of voices and pieces of one split."""
    rng = np.random.default_rng(0)
    for split, count in MIXTURES.items():
        kinds = {label: of_kind(rows, split, label) for label in ("speech", "music")}
        for number in range(count):
            speech, music = (kinds[label][rng.integers(len(kinds[label]))] for label in kinds)
            sounds = [read(row) for row in (speech, music)]
            length = min(map(len, sounds))
            difference_db = rng.uniform(*DIFFERENCE_RANGE_DB)
            clip = sounds[0][:length] * 10 ** (difference_db / 20) + sounds[1][:length]
            path = out / f"both_{split}_{number:03d}.flac"
            write(path, at_level(clip))
            group = f"{speech['group']} over {music['group']}"
            yield {"path": path, "label": "music;speech", "split": split, "group": group}


def _changes(rows: Sequence[Row], out: Path) -> Iterator[Row]:
    """Seconds in which something begins or ends; what lasts for half of them counts as heard."""
    kinds = {label: of_kind(rows, "train", label) for label in ("speech", "music", "")}
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
            clip = stretch(read_any(kinds[label], rng), CHANGE_SECONDS, rng)
            sound[first:last] += clip[first:last] * np.float32(10 ** (gain_db / 20))
        heard = [name for name, span in spans.items() if name and span[1] - span[0] >= length / 2]
        path = out / f"change_{number:04d}.flac"
        write(path, sound)
        group = f"change {number}"
        yield {"path": path, "label": ";".join(heard), "split": "train", "group": group}


if __name__ == "__main__":
    main()
