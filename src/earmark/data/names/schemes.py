"""How well-known data sets name their files."""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scheme:
    """A naming scheme.

    Args:
        data: The data set that is known for it.
        stem: An expression for file names without their extension.
        label_from: The pattern with the label, and the group if there is one; None if names hold
            no label.
        group_from: The pattern with the group, for files in label folders; None if there is none.
    """

    data: str
    stem: str
    label_from: str | None
    group_from: str | None

    def fits(self, stems: Sequence[str], *, fraction: float = 1.0) -> bool:
        """Whether names follow the scheme.

        Args:
            stems: Of files, without extensions.
            fraction: How many of them must.
        """
        found = sum(bool(re.fullmatch(self.stem, one)) for one in stems)
        return found >= fraction * len(stems) > 0


SCHEMES = (
    Scheme("Speech Commands", r"\w+_nohash_\d+", None, "{speaker}_nohash_*"),
    Scheme("ESC-50", r"[1-5]-\d+-[A-Z]-\d+", "{fold}-{source}-*-{label}", "*-{source}-*"),
    Scheme("ESC-10", r"[1-5]-\d+-[A-Z]", None, "*-{source}-*"),
    Scheme("UrbanSound8K", r"\d{3,}-\d-\d+-\d+", "{source}-{label}-*", "{source}-*"),
    Scheme(
        "RAVDESS", r"0[1-3]-0[12](-\d\d){5}", "*-*-{label}-*-*-*-{actor}", "*-*-*-*-*-*-{actor}"
    ),
    Scheme("EmoDB", r"\d\d[a-c]\d\d[WLEAFTN][a-z]", "{speaker}?#{label}?", "{speaker}?#*"),
    Scheme("Free Spoken Digits", r"\d_[a-z]+_\d+", "{label}_{speaker}_*", "*_{speaker}_*"),
    Scheme("AudioMNIST", r"\d_\d\d_\d+", "{label}_{speaker}_*", "*_{speaker}_*"),
    Scheme(
        "CREMA-D", r"\d{4}_[A-Z]{3}_[A-Z]{3}_[A-Z]{1,2}", "{speaker}_*_{label}_*", "{speaker}_*"
    ),
    Scheme("TESS", r"[OY]AF_[a-z']+_[a-z]+", "{speaker}_*_{label}", "{speaker}_*"),
    Scheme("SAVEE", r"[A-Z]{2}_[a-z]{1,2}\d\d", "{speaker}_{label}#", "{speaker}_*"),
    Scheme("LibriSpeech", r"\d+-\d+-\d{4}", None, "{speaker}-*"),
    Scheme("VCTK", r"[ps]\d{3}_\d{3}(_mic\d)?", None, "{speaker}_*"),
    Scheme("Freesound", r"\d+__[^_].*?__.+", None, "*__{user}__*"),
)
