"""Names that look like shared speakers or parts are noticed, and others are left alone."""

import random
from pathlib import Path

import pytest

from earmark.data.manifest import Manifest
from earmark.data.names.likely_groups import guess_groups
from earmark.data.recording import Recording

RNG = random.Random(0)
PEOPLE = ("anna", "ben", "carl")


def as_manifest(names, split=lambda _: None, group=lambda name: name):
    recordings = tuple(
        Recording(Path(name), name, (name.split("/")[0],), group=group(name), split=split(name))
        for name in sorted(names)
    )
    return Manifest(Path("data"), recordings, ("cat", "dog"))


def below(stems):
    """Files with the names that a function gives for each of two labels."""
    return [f"{label}/{stem}.wav" for label in ("cat", "dog") for stem in stems(label)]


GROUPED = {
    "{speaker}_nohash_*": below(lambda _: [f"{n % 9:08x}_nohash_{n // 9}" for n in range(27)]),
    "*_{speaker}_*": below(lambda label: [f"{label}_{who}_{n}" for who in PEOPLE for n in "12"]),
    "{speaker}_*": below(lambda _: [f"{who}_{n}" for who in PEOPLE for n in range(5)]),
    "{recording}_take#": below(lambda x: [f"{x}{n}_take{t}" for n in range(4) for t in "12"]),
    "{recording} - Part #": below(lambda x: [f"{x}{n} - Part {t}" for n in range(4) for t in "12"]),
    "ID_{id}_*": below(lambda _: [f"ID_{who:02}_{n}" for who in range(3) for n in range(5)]),
    "*_id_{id}_*": below(lambda x: [f"{x}_id_{w:02}_{n:08}" for w in (0, 2) for n in range(5)]),
    "{spk}_*": below(lambda x: [f"spk{w}_{x}_{n}" for w in range(3) for n in range(5)]),
    "*-{source}-*": below(lambda x: [f"1-{ord(x[0])}{n}-{t}" for n in range(9) for t in "AB"]),
    "{recording}_#": below(
        lambda x: [f"{x[0]}{word}_{n:03}" for word in ("talk", "song", "walk") for n in range(9)]
    ),
}
ALONE = {
    "numbers": lambda _: [f"{n}" for n in range(30)],
    "clips": lambda _: [f"clip{n:03}" for n in range(30)],
    "genres": lambda label: [f"{label}.{n:05}" for n in range(30)],
    "own label": lambda label: [f"{label}_{n}" for n in range(30)],
    "copies": lambda _: [f"sound ({n})" for n in range(30)],
    "digests": lambda _: [f"{RNG.getrandbits(64):016x}" for _ in range(30)],
    "dates": lambda _: [f"202305{n:02}_{RNG.randint(0, 235959):06}" for n in range(1, 31)],
    "splits": lambda _: [f"{split}_{n}" for split in ("train", "val", "test") for n in range(9)],
    "channels": lambda _: [f"{kind}_{n}" for kind in ("mono", "stereo") for n in range(9)],
    "catalogue": lambda _: [f"XC{RNG.randint(10000, 99999)}" for _ in range(30)],
    "titles": lambda _: [f"Artist{n} - Song {n}" for n in range(30)],
    "subgenres": lambda x: [f"{x[0]}{word}.{n:05}" for word in ("x", "y", "z") for n in range(99)],
    "titled": lambda _: ["china", "news1", "bach", "lena", "u2", "nj105", "nj105a"],
}


@pytest.mark.parametrize("pattern", GROUPED)
def test_names_of_shared_speakers_and_parts_give_a_pattern(pattern):
    guess = guess_groups(as_manifest(GROUPED[pattern]))
    assert guess is not None
    assert guess.naming.group_from == pattern
    assert set(guess.names) <= set(GROUPED[pattern])


@pytest.mark.parametrize("kind", ALONE)
def test_other_names_give_none(kind):
    assert guess_groups(as_manifest(below(ALONE[kind]))) is None


def test_nothing_is_guessed_where_groups_are_given():
    names = GROUPED["{speaker}_*"]
    assert guess_groups(as_manifest(names, group=lambda name: name[-5:])) is None


def test_with_splits_only_groups_in_several_count():
    names = GROUPED["{speaker}_*"]
    kept = as_manifest(names, split=lambda name: "test" if "carl" in name else "train")
    assert guess_groups(kept) is None
    torn = as_manifest(names, split=lambda name: "test" if "carl_1" in name else "train")
    guess = guess_groups(torn)
    assert guess is not None
    assert (guess.num_groups, guess.are_split) == (1, True)
