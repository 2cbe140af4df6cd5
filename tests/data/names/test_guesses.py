"""Guesses name the pattern that people would write, and none where a name holds no label."""

import random

import pytest

from earmark.data.manifest import read_manifest
from earmark.data.names.guesses import guess_naming
from earmark.errors import DataError

RNG = random.Random(0)
PEOPLE = ("anna", "ben", "carl")
LABELLED = {
    "{label}.*": [f"{genre}.{n:05}.wav" for genre in ("blues", "rock") for n in range(9)],
    "{label}_{speaker}_*": [f"{d}_{who}_{n}.wav" for d in "01" for who in PEOPLE for n in range(3)],
    "{fold}-{source}-*-{label}": [f"{n % 5 + 1}-{10000 + n}-A-{n % 3}.wav" for n in range(60)],
    "*-*-{label}-*-*-*-{actor}": [
        f"03-01-0{n % 8 + 1}-01-02-01-{n % 9 + 1:02}.wav" for n in range(72)
    ],
    "{source}-{label}-*": [f"{100000 + n // 4}-{n // 4 % 3}-{n % 4}-0.wav" for n in range(60)],
    "{speaker}?#{label}?": [f"{3 + n % 8:02}a01{'WLF'[n % 3]}a.wav" for n in range(60)],
    "* - {label}": [f"XC{n} - {bird}.mp3" for n in range(9) for bird in ("Robin", "Great Tit")],
    "{label} (#)": [f"{animal} ({n}).wav" for animal in ("dog", "cat") for n in range(9)],
    "{label}_#": [f"{x}_{n}.wav" for x in ("dog_bark", "cat", "car_horn") for n in range(9)],
    "{label}-#-*": [f"{x}-{n}-end.wav" for x in ("lo-fi", "rock") for n in range(9)],
    "{label}_*": [f"{x}_{who}_{n}.wav" for x in ("yes", "no") for who in PEOPLE for n in range(4)],
    "{spk}_{label}_*": [
        f"spk{s}_{x}_{n}.wav" for s in range(3) for x in ("yes", "no") for n in range(4)
    ],
    "{split}_{label}_*": [
        f"{s}_{x}_{n}.wav" for s in ("train", "test") for x in ("yes", "no") for n in range(4)
    ],
    "{label}#": [f"{drum}{n:02}.wav" for drum in ("kick", "snare") for n in range(9)],
    "#_{label}": [f"{n:02}_{drum}.wav" for drum in ("kick", "snare drum") for n in range(9)],
    "* - {label} - *": [f"{n} - {x} - A{n}.wav" for x in ("violin", "cello") for n in range(4)],
}
UNLABELLED = {
    "numbered": [f"clip{n:03}.wav" for n in range(20)],
    "recorder": [f"recording_{n}.wav" for n in range(20)],
    "numbers": [f"{n % 4}_{n}.wav" for n in range(20)],
    "digests": [f"{RNG.getrandbits(64):016x}.wav" for _ in range(20)],
    "words": ["china.wav", "news1.wav", "bach.wav", "lena.wav", "u2.wav"],
    "speakers": [f"{RNG.getrandbits(32):08x}_nohash_{n % 3}.wav" for n in range(20)],
    "takes": [f"interview{n % 5}_take{n // 5}.wav" for n in range(20)],
    "titles": [f"Artist{n} - Song {n}.mp3" for n in range(20)],
    "freesound": [f"{1000 + n}__user{n % 3}__dog-bark.wav" for n in range(20)],
    "few": ["dog_1.wav", "cat_1.wav"],
    "none": [],
}


@pytest.mark.parametrize("pattern", LABELLED)
def test_the_pattern_of_names_with_a_label(pattern):
    guess = guess_naming(LABELLED[pattern])
    assert guess is not None
    assert guess.naming.label_from == pattern
    assert len(guess.labels) >= 2


@pytest.mark.parametrize("kind", UNLABELLED)
def test_names_without_a_label_give_no_pattern(kind):
    assert guess_naming(UNLABELLED[kind]) is None


@pytest.mark.parametrize("below", ["", "audio/", "train/"])
def test_the_refusal_of_a_flat_folder_gives_the_options(tmp_path, below):
    for name in LABELLED["{label}.*"]:
        path = tmp_path / f"{below}{name}"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    from earmark.config import TrainConfig
    from earmark.data.labels import name_task

    with pytest.raises(DataError) as caught:
        name_task(read_manifest(tmp_path), TrainConfig())
    assert caught.value.options == '--label-from "{label}.*"'
    assert read_manifest(tmp_path, label_from="{label}.*").labels == ("blues", "rock")


def test_the_refusal_explains_patterns_where_none_is_plausible(tmp_path):
    for name in UNLABELLED["numbered"]:
        (tmp_path / name).touch()
    with pytest.raises(DataError, match="--label-from") as caught:
        read_manifest(tmp_path)
    assert caught.value.options == ""
