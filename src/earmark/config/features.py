"""The section `features`: the log-mel front end; and what an embedder needs."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from earmark.config.base import Length, Section

USUAL_RATES = (8_000, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000, 256_000, 384_000)
"""Sample rates that recorders and codecs use, in Hz."""
_LENGTH = 1024
MAX_HOP_LENGTH, MAX_BANDS = 65_536, 1024
"""Of log-mel values; a frame that is an embedder's vector may be longer, and further from the next.
"""


class FeatureConfig(Section):
    """Log-mel features. Lengths are in samples, frequencies in Hz."""

    embedder: "EmbedderConfig | None" = None
    """Embedder whose vectors are the frames, one per window, in place of log-mel values; it sets
    `sample_rate`, `hop_length` and `n_mels`. `earmark train --embedder` fills in this table."""
    sample_rate: Annotated[int, Field(ge=1000, le=768_000)] = 16_000
    """Sample rate that all audio is resampled to; the next usual one if only `f_max` or `f_min` is
    given and needs it."""
    n_fft: Annotated[int, Field(ge=2, le=65_536)] = _LENGTH
    """Length of the Fourier transform; must be even. If only `win_length` is given and is longer,
    the power of two that it fits into."""
    win_length: Length = _LENGTH
    """Length of the Hann window, centred in the Fourier transform; that of the transform if only
    `n_fft` is given and is shorter."""
    hop_length: Annotated[int, Field(ge=1)] = 320
    """Step between frames; 65,536 at most without an embedder."""
    n_mels: Length = 40
    """Number of mel bands, 1,024 at most; with an embedder, of the values of a vector."""
    f_min: Annotated[float, Field(ge=0)] = 0.0
    """Lower edge of the lowest mel band."""
    f_max: float | None = None
    """Upper edge of the highest mel band; half the sample rate if not given."""
    mel_scale: Literal["slaney", "htk"] = "slaney"
    """Mel scale: `slaney` is linear below 1 kHz, `htk` is logarithmic everywhere."""
    mel_norm: Literal["slaney", "none"] = "slaney"
    """Norm of the mel filters: `slaney` gives them equal areas, `none` equal peaks."""
    power: Annotated[float, Field(gt=0)] = 2.0
    """Exponent of the magnitude spectrogram: 2 for energy, 1 for magnitude."""
    channel: Annotated[int, Field(ge=1, le=64)] | None = None
    """Number of the channel that is used, from 1; the mean of all channels if not given."""

    @property
    def frame_seconds(self) -> float:
        """Time from one frame to the next."""
        return self.hop_length / self.sample_rate

    @property
    def frames_beyond(self) -> int:
        """Frames by which the sound of a frame goes beyond its time.

        A log-mel frame is known by its centre, a vector by the start of its window.
        """
        return 0 if self.embedder is None else 1

    def span_seconds(self, span: range, duration_seconds: float) -> tuple[float, float]:
        """Where the sound of some frames starts and ends, in seconds.

        Args:
            span: Numbers of the frames.
            duration_seconds: Length of the clip up to their end. The last vector ends with it, and
                reaches back by a whole window.

        Example:
            >>> FeatureConfig().span_seconds(range(0, 51), 1.0)
            (0.0, 1.0)
        """
        start = span[0] * self.frame_seconds
        end = (span[-1] + self.frames_beyond) * self.frame_seconds
        if self.embedder is not None:
            end = min(end, duration_seconds)
            start = min(start, max(0.0, end - self.embedder.window_seconds))
        return start, end

    @property
    def top_frequency(self) -> float:
        """Upper edge of the highest band, in Hz."""
        return self.sample_rate / 2 if self.f_max is None else self.f_max

    def num_frames(self, num_samples: int) -> int:
        """Number of frames of a clip.

        Args:
            num_samples: Length of the clip, at ``sample_rate``.

        Example:
            >>> FeatureConfig().num_frames(16_000)
            51
        """
        if self.embedder is not None:
            return self.embedder.num_windows(num_samples)
        return 1 + num_samples // self.hop_length

    @model_validator(mode="before")
    @classmethod
    def _fit_embedder(cls, given: Any) -> Any:
        """Gives what the embedder sets."""
        if not isinstance(given, Mapping) or given.get("embedder") is None:
            return given
        embedder = EmbedderConfig.model_validate(given["embedder"])
        set_by_it = embedder.frame_settings
        for key, value in set_by_it.items():
            if given.get(key, value) != value:
                raise ValueError(
                    f"{key} = {given[key]}: the embedder sets it to {value}; leave it out"
                )
        return {**given, **set_by_it, "embedder": embedder}

    @model_validator(mode="before")
    @classmethod
    def _fit_lengths(cls, given: Any) -> Any:
        """Gives the window and the transform lengths that fit, where only one of them is given."""
        if not isinstance(given, Mapping):
            return given
        n_fft, win_length = given.get("n_fft"), given.get("win_length")
        if "win_length" not in given and isinstance(n_fft, int):
            return {**given, "win_length": n_fft} if n_fft < _LENGTH else given
        if "n_fft" not in given and isinstance(win_length, int) and win_length > _LENGTH:
            return {**given, "n_fft": 1 << (win_length - 1).bit_length()}
        return given

    @field_validator("hop_length", "n_mels")
    @classmethod
    def _limit(cls, value: int, info: Any) -> int:
        limit = MAX_HOP_LENGTH if info.field_name == "hop_length" else MAX_BANDS
        if value > limit and info.data.get("embedder") is None:
            raise ValueError(f"input should be less than or equal to {limit}")
        return value

    @model_validator(mode="after")
    def _fit_rate(self) -> "FeatureConfig":
        """Raises a sample rate that is not given to what the band needs; it still is not given."""
        if "sample_rate" not in self.model_fields_set:
            fitting = fitting_rate(self.sample_rate, self.f_min, self.f_max)
            self.__dict__["sample_rate"] = fitting
        return self

    @model_validator(mode="after")
    def _check(self) -> "FeatureConfig":
        if self.n_fft % 2:
            raise ValueError(f"n_fft = {self.n_fft} is odd; use an even length such as 1024")
        if self.win_length > self.n_fft:
            raise ValueError(f"win_length = {self.win_length} is longer than n_fft = {self.n_fft}")
        if self.top_frequency > self.sample_rate / 2:
            raise ValueError(
                f"f_max = {self.f_max} Hz is above half the sample rate, {self.sample_rate / 2} Hz"
            )
        if self.f_min >= self.top_frequency:
            raise ValueError(f"f_min = {self.f_min} Hz is not below {self.top_frequency} Hz")
        return self


def fitting_rate(sample_rate: int, f_min: float, f_max: float | None) -> int:
    """The sample rate, or the next usual one that a band of frequencies needs.

    Args:
        sample_rate: What it is without the band, in Hz.
        f_min: Lower edge of the band, in Hz.
        f_max: Upper edge, in Hz; half the sample rate if None.

    Example:
        >>> fitting_rate(16_000, 0.0, None), fitting_rate(16_000, 0.0, 12_000.0)
        (16000, 32000)
    """
    lowest = 2 * f_min + 1 if f_max is None else 2 * f_max
    if sample_rate >= lowest:
        return sample_rate
    return next((rate for rate in USUAL_RATES if rate >= lowest), sample_rate)


class EmbedderConfig(Section):
    """A local ONNX file that turns windows of sound into vectors."""

    file: str
    """Path of the file."""
    digest: str
    """Digest of its content."""
    licence: str
    """Licence of its weights."""
    sample_rate: Annotated[int, Field(ge=1000, le=768_000)]
    """Sample rate of the sound that it takes, in Hz."""
    takes: Literal["waveform", "log_mel"]
    """What its input is."""
    input: str
    """Name of its input."""
    output: str
    """Name of the output with the vectors."""
    window_length: Annotated[int, Field(ge=1, le=10_000_000)]
    """Length of a window: samples of a waveform, or frames of log-mel values."""
    dimensions: Length
    """Length of a vector."""
    front_end: FeatureConfig | None = None
    """Settings of the log-mel values that it takes."""

    @property
    def window_seconds(self) -> float:
        """Length of a window; of log-mel values, from the centre of the first frame to the last."""
        if self.front_end is None:
            return self.window_length / self.sample_rate
        return (self.window_length - 1) * self.front_end.hop_length / self.sample_rate

    @property
    def hop_length(self) -> int:
        """Samples from the start of one window to the start of the next, without overlap."""
        return self.window_length * (1 if self.front_end is None else self.front_end.hop_length)

    @property
    def frame_settings(self) -> dict[str, int | None]:
        """The settings of ``features`` that it sets where its vectors are the frames."""
        settings: dict[str, int | None] = {
            "sample_rate": self.sample_rate,
            "hop_length": self.hop_length,
            "n_mels": self.dimensions,
        }
        if self.front_end is not None:
            settings["channel"] = self.front_end.channel
        return settings

    @property
    def window_samples(self) -> int:
        """Fewest samples that fill a window."""
        if self.front_end is None:
            return self.window_length
        return (self.window_length - 1) * self.front_end.hop_length + 1

    def num_windows(self, num_samples: int) -> int:
        """Number of windows that cover a clip; the last one ends where the clip ends.

        Args:
            num_samples: Length of the clip, at ``sample_rate``.
        """
        length = num_samples if self.front_end is None else self.front_end.num_frames(num_samples)
        return max(1, -(-length // self.window_length))

    @model_validator(mode="after")
    def _check(self) -> "EmbedderConfig":
        if (self.front_end is None) != (self.takes == "waveform"):
            raise ValueError(f"takes = {self.takes}: front_end is for log_mel, and only for it")
        if self.front_end is not None and self.front_end.sample_rate != self.sample_rate:
            raise ValueError("sample_rate is not that of front_end")
        if self.front_end is not None and self.front_end.embedder is not None:
            raise ValueError("front_end has an embedder itself")
        return self


FeatureConfig.model_rebuild()
