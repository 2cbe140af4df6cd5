"""How much of the band of recordings the features keep."""

from collections.abc import Sequence
from pathlib import Path

from earmark.audio.decoding import SOUNDFILE_EXTENSIONS, open_source
from earmark.config import FeatureConfig
from earmark.errors import AudioError

FAR_ABOVE = 4.0
"""Recordings that reach this many times the highest frequency of the features are reported; music
at 44.1 kHz, which features at 16 kHz are often made for, is not."""

FILES_LOOKED_AT = 16
"""Files whose headers are read, spread evenly over all."""


def describe_band(sample_rate: int, config: FeatureConfig) -> str | None:
    """What features leave out of recordings that reach far above their band.

    Args:
        sample_rate: Highest rate of the recordings, in Hz.
        config: The front end.

    Returns:
        A note, or None where the recordings do not reach far above.

    Example:
        >>> describe_band(384_000, FeatureConfig())
        'recordings reach 192 kHz, but the features keep only 0 to 8 kHz (4%)'
        >>> describe_band(44_100, FeatureConfig())
    """
    reach, top = sample_rate / 2, config.top_frequency
    if reach < FAR_ABOVE * top:
        return None
    kept = (top - config.f_min) / reach
    return (
        f"recordings reach {reach / 1000:g} kHz, but the features keep only "
        f"{config.f_min / 1000:g} to {top / 1000:g} kHz ({kept:.0%})"
    )


def find_band(paths: Sequence[Path], config: FeatureConfig) -> str | None:
    """What `describe_band` returns for files, of which it opens a few.

    Args:
        paths: The files; those that cannot be opened do not count.
        config: The front end.
    """
    # What PyAV reads has rates for people's ears.
    fitting = [one for one in paths if one.suffix.lower() in SOUNDFILE_EXTENSIONS]
    step = -(-len(fitting) // FILES_LOOKED_AT) or 1
    return describe_band(max(map(_rate, fitting[::step]), default=0), config)


def _rate(path: Path) -> int:
    try:
        with open_source(path) as source:
            return source.sample_rate
    except AudioError:
        return 0
