"""All settings: frozen, strict sections, read from TOML and written to it.

A setting that is unknown, of the wrong type or out of range is an error that names its path; all
mistakes of a file are reported at once.
"""

import difflib
import json
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from earmark.errors import ConfigError
from earmark.paths import place

Fraction = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Length = Annotated[int, Field(ge=1, le=65_536)]
"""Samples or windows: far beyond use, and yet an array of that size can be made."""
Size = Annotated[int, Field(ge=1, le=1024)]

MAX_WINDOW_FRAMES = 1_000_000


def _as_pair(value: Any) -> Any:
    if isinstance(value, int):
        return value, value
    return tuple(value) if isinstance(value, list) else value


Pair = Annotated[tuple[Size, Size], BeforeValidator(_as_pair)]
"""One number for both axes, or two: bands first, then frames."""
Padding = Annotated[int, Field(ge=0, le=1024)]
PaddingPair = Annotated[tuple[Padding, Padding], BeforeValidator(_as_pair)]


class Section(BaseModel):
    """A part of the configuration."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class FeatureConfig(Section):
    """The front end: waveform to log-mel band energies. Lengths in samples, frequencies in Hz."""

    sample_rate: Annotated[int, Field(ge=1000, le=768_000)] = 16_000
    """Every clip is resampled to this rate."""
    n_fft: Annotated[int, Field(ge=2, le=65_536)] = 1024
    """Length of the Fourier transform; even."""
    win_length: Length = 1024
    """Length of the Hann window, centred in the transform."""
    hop_length: Length = 320
    """Step from one frame to the next."""
    n_mels: Size = 40
    """Number of mel bands."""
    f_min: Annotated[float, Field(ge=0)] = 0.0
    """Lower edge of the lowest band."""
    f_max: float | None = None
    """Upper edge of the highest band; half the sample rate when it is not given."""
    mel_scale: Literal["slaney", "htk"] = "slaney"
    """Slaney's scale is linear below 1 kHz; HTK's is logarithmic everywhere."""
    mel_norm: Literal["slaney", "none"] = "slaney"
    """Slaney's norm gives each band the same area; none gives each the same peak."""
    power: Annotated[float, Field(gt=0)] = 2.0
    """Exponent of the magnitude before the bands are summed: 2 for energy, 1 for magnitude."""

    @property
    def top_frequency(self) -> float:
        """Upper edge of the highest band, in Hz."""
        return self.sample_rate / 2 if self.f_max is None else self.f_max

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


class ConvBlockConfig(Section):
    """One block of the network: convolution, ReLU, batch normalisation, max pooling, dropout.

    A pair is (bands, frames); one number stands for both.
    """

    channels: Annotated[int, Field(ge=1, le=4096)] = 16
    """Channels that the convolution gives."""
    kernel_size: Pair = (5, 5)
    """Size of the convolution's kernel."""
    stride: Pair = (1, 1)
    """Step of the kernel."""
    padding: PaddingPair = (2, 2)
    """Zeros added on each side."""
    dilation: Pair = (1, 1)
    """Distance between the kernel's points."""
    pool_size: Pair = (2, 4)
    """Size of the pooling window; 1 turns pooling off."""
    pool_stride: Pair | None = None
    """Step of the pooling window; its own size when it is not given."""
    dropout: Fraction = 0.0
    """Probability that a value is dropped after pooling."""


class ModelConfig(Section):
    """The network."""

    name: str = "audio_cnn"
    """A registered architecture; `earmark model list` names them."""
    blocks: Annotated[tuple[ConvBlockConfig, ...], Field(min_length=1, max_length=64)] = (
        ConvBlockConfig(channels=16),
        ConvBlockConfig(channels=32),
    )
    """The convolution blocks in order."""
    head: Literal["pool", "flatten"] = "pool"
    """`pool` averages over frames and takes any length; `flatten` is the textbook head and fixes
    the length of its windows."""
    dropout: Fraction = 0.25
    """Probability that a value is dropped before the classifier."""
    width: Annotated[float, Field(gt=0, le=32)] = 1.0
    """Channels of `bc_resnet` and `cp_resnet`, as a multiple of their usual ones."""
    rho: Annotated[int, Field(ge=0, le=22)] = 5
    """How many convolutions of `cp_resnet`, after its first block, look at neighbours too."""


class AugmentConfig(Section):
    """What chance does to the windows of training; 0 turns each of them off.

    They are applied in the order of this table.
    """

    stretch: Annotated[float, Field(ge=0, le=4)] = 0.0
    """Windows are cut up to this much longer or shorter, then brought to one length: 0.25 is from
    1/1.25 to 1.25 times the length."""
    shortest: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Batches are cut to a random share of the window, at least this; 1 leaves them whole."""
    roll: Share = 0.0
    """Windows are rotated in time by up to this share of their length."""
    gain_db: Annotated[float, Field(ge=0, le=60)] = 0.0
    """Windows are made louder or softer by up to this many decibels."""
    filter_db: Annotated[float, Field(ge=0, le=60)] = 0.0
    """Bands are made louder or softer by up to this many decibels, along a smooth random curve."""
    noise: Share = 0.0
    """Share of the windows that get noise of a random colour."""
    noise_snr_db: Annotated[float, Field(ge=-20, le=60)] = 5.0
    """Loudest noise, as a signal-to-noise ratio; the softest is 30 dB lower."""
    mix: Share = 0.0
    """Share of the windows that are mixed with another one of their batch, targets as well."""
    mix_alpha: Annotated[float, Field(gt=0, le=100)] = 0.4
    """Parameters of the beta distribution of the mixing ratio: 1 is uniform, less mixes less."""
    mix_domain: Literal["decibels", "energy"] = "decibels"
    """`decibels` mixes the values that the network sees (mixup); `energy` mixes as if both sounded
    at once, at equal levels before the ratio (between-class mixing); in a multi-label task both
    then keep all their labels."""
    style: Share = 0.0
    """Share of the batches in which each band's mean and deviation are mixed with those of another
    window."""
    style_alpha: Annotated[float, Field(gt=0, le=100)] = 0.4
    """Both parameters of the beta distribution of that mixing ratio."""
    frequency_masks: Annotated[int, Field(ge=0, le=100)] = 0
    """Stretches of bands that are blanked out."""
    frequency_mask_share: Share = 0.2
    """Widest such stretch, as a share of the bands."""
    time_masks: Annotated[int, Field(ge=0, le=100)] = 0
    """Stretches of time that are blanked out."""
    time_mask_share: Share = 0.2
    """Longest such stretch, as a share of the window."""


class TrainConfig(Section):
    """Training and the splitting of data that come without splits."""

    epochs: Positive = 100
    """Largest number of epochs."""
    batch_size: Length = 32
    """Windows a step, in each process."""
    accumulate: Length = 1
    """Batches whose gradients make one step, as one batch of so many times the size would."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Step size of AdamW; the highest one of a schedule."""
    schedule: Literal["constant", "cosine", "one_cycle"] = "constant"
    """How the step size goes on after warm-up: it stays, or falls to nothing over `train.epochs`
    along a cosine. `one_cycle` does so too, and lets the momentum fall and rise against it."""
    warmup: Fraction = 0.0
    """Share of `train.epochs` in which the step size rises to its highest."""
    clip_norm: Annotated[float, Field(ge=0)] = 0.0
    """Longest gradient over all weights; longer ones are shortened. 0 lets all pass."""
    average_decay: Fraction = 0.0
    """Share that the moving average of the weights keeps at each step; the average is validated and
    kept. 0 keeps the weights themselves."""
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    """Numbers in the layers while training; `auto` is bfloat16 where the device has it."""
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    """Weight decay of AdamW."""
    patience: Positive = 10
    """Epochs without a better validation loss before training stops."""
    min_delta: Annotated[float, Field(ge=0)] = 1e-3
    """A validation loss is better when it is lower by more than this."""
    task: Literal["auto", "binary", "multi_class", "multi_label"] = "auto"
    """What the labels mean. `auto` goes by the data: a recording with several labels makes them
    `multi_label`, two labels are `binary`, more are `multi_class`."""
    balance: Literal["none", "weights", "sampling"] = "none"
    """How rare labels are helped: by weights in the loss, or by drawing them more often."""
    label_smoothing: Fraction = 0.0
    """Share of each target that is spread over what it is not."""
    crop_seconds: Annotated[float, Field(gt=0, le=3600)] = 5.0
    """Length of the windows that the network sees; long clips are judged by the mean over them."""
    max_crops: Annotated[int, Field(ge=1, le=10_000)] = 8
    """Most random windows that one clip gives in an epoch; a long clip gives more than a short."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the weights, the order and the crops."""
    split_seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the split of data that come without one."""
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the recordings held for validation when the data do not say which."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the recordings held for testing when the data do not say which."""

    @model_validator(mode="after")
    def _check(self) -> "TrainConfig":
        if self.validation_fraction + self.test_fraction >= 1:
            raise ValueError("validation_fraction and test_fraction leave nothing to train on")
        return self


class EvaluateConfig(Section):
    """The test report."""

    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Level of the intervals."""
    window_seconds: Annotated[float, Field(gt=0, le=3600)] | None = None
    """Length of the stretches that are each judged alone as well, without the sound around them."""


class PredictConfig(Section):
    """How clips longer than a window are judged, in validation, testing and use alike."""

    overlap: Fraction = 0.5
    """Share of a window that the next one repeats."""
    pooling: Literal["mean", "max", "attention"] = "mean"
    """How the windows of a clip decide: by the mean of their logits, by the surest window, or by a
    mean in which surer windows weigh more."""


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _as_search(value: Any) -> Any:
    return {"choices": value} if isinstance(value, list) else value


class SearchConfig(Section):
    """Where one setting is searched: among choices, or from `low` to `high`.

    A list stands for its choices. In a path `*` means every item of a list. A choice that is a
    table changes what it names and leaves the rest.
    """

    choices: Annotated[
        Annotated[tuple[Any, ...], Field(min_length=1)] | None, BeforeValidator(_as_tuple)
    ] = None
    """Any values that the setting may take."""
    low: int | float | None = None
    """Least value; a whole number searches whole numbers."""
    high: int | float | None = None
    """Greatest value."""
    log: bool = False
    """Whether equal factors, not equal steps, are equally likely."""

    @model_validator(mode="after")
    def _check(self) -> "SearchConfig":
        low, high = self.low, self.high
        if self.choices is not None:
            if low is not None or high is not None or self.log:
                raise ValueError("give choices, or low and high")
            return self
        if low is None or high is None:
            raise ValueError("give choices, or low and high")
        if type(low) is not type(high):
            raise ValueError(f"low = {low} and high = {high}: write both with a point or neither")
        if low >= high:
            raise ValueError(f"low = {low} is not below high = {high}")
        if self.log and low <= 0:
            raise ValueError(f"low = {low} has no logarithm; raise it above 0")
        return self


class TuneConfig(Section):
    """The search for better settings."""

    trials: Positive = 50
    """Trials of a study, those of earlier sittings and of all workers included."""
    objective: Literal["loss", "accuracy"] = "loss"
    """What makes a trial better on the validation split: a lower log-loss or a higher accuracy."""
    pruner: Literal["median", "hyperband", "none"] = "median"
    """What ends a trial that lags behind: `median` when its best is worse than the median of the
    others after as many epochs; `hyperband` keeps the best third, again and again."""
    startup_trials: Positive = 10
    """Trials drawn at random before the sampler learns from them, and before the median prunes."""
    warmup_epochs: Positive = 5
    """Epochs of each trial before it can be pruned."""
    space: dict[str, Annotated[SearchConfig, BeforeValidator(_as_search)]] | None = None
    """Path of a setting to where it is searched; the default space when it is not given."""


class Config(Section):
    """The whole configuration; each field is a table of the TOML file."""

    features: FeatureConfig = FeatureConfig()
    model: ModelConfig = ModelConfig()
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    predict: PredictConfig = PredictConfig()
    tune: TuneConfig = TuneConfig()

    @model_validator(mode="after")
    def _check(self) -> "Config":
        features, seconds = self.features, self.train.crop_seconds
        num_frames = 1 + round(seconds * features.sample_rate) // features.hop_length
        if num_frames > MAX_WINDOW_FRAMES:
            raise ValueError(
                f"windows of {num_frames:,} frames are longer than {MAX_WINDOW_FRAMES:,}; lower "
                f"train.crop_seconds = {seconds} or raise features.hop_length = "
                f"{features.hop_length}"
            )
        self._check_window_seconds()
        return self

    def _check_window_seconds(self) -> None:
        seconds, features = self.evaluate.window_seconds, self.features
        if seconds is None:
            return
        if self.model.head == "flatten":
            raise ValueError(
                f"evaluate.window_seconds = {seconds}: model.head = flatten takes windows of one "
                "length only; leave it out, or train with model.head = pool"
            )
        shortest = (features.win_length + 2 * features.hop_length) / features.sample_rate
        if seconds < shortest:
            raise ValueError(
                f"evaluate.window_seconds = {seconds}: shorter than {shortest:g} s, a window of "
                "the front end and two steps"
            )

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain tables, without those that are not given."""
        return self.model_dump(mode="json", exclude_none=True)

    def to_toml(self) -> str:
        """The settings as TOML text that `load_config` reads back."""
        return tomli_w.dumps(self.to_dict())


def config_from_dict(table: dict[str, Any], *, source: str = "configuration") -> Config:
    """Checks plain tables and freezes them.

    Args:
        table: Section name to table, as TOML or JSON gives them.
        source: Named in the error.

    Raises:
        ConfigError: With every mistake and its path.
    """
    try:
        # Through JSON, so that strict mode takes a TOML array for a tuple; a TOML date has no JSON
        # form and goes as text, which no setting takes for a number.
        return Config.model_validate_json(json.dumps(table, default=str))
    except ValidationError as error:
        mistakes = "; ".join(_describe(item) for item in error.errors())
        raise ConfigError(f"{source}: {mistakes}") from None


def load_config(path: Path | None = None, settings: Sequence[str] = ()) -> Config:
    """Reads a TOML file and applies single settings on top.

    Args:
        path: The file; the defaults when it is not given.
        settings: Each ``section.key=value``, the value parsed as TOML; a bare word is a string,
            and a number in the path picks from a list (``model.blocks.0.channels=24``).

    Raises:
        ConfigError: The file cannot be read, or a setting is wrong.

    Example:
        >>> load_config(settings=["train.epochs=3"]).train.epochs
        3
    """
    table: dict[str, Any] = {}
    if path is not None:
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: not a TOML file: {error}") from None
    return override(config_from_dict(table, source=str(path or "configuration")), settings)


def override(config: Config, settings: Iterable[str]) -> Config:
    """A configuration with single settings changed; see `load_config` for their form."""
    table = config.to_dict()
    for setting in settings:
        dotted, equals, text = setting.partition("=")
        if not equals or "." not in dotted:
            raise ConfigError(f"--set {setting}: write section.key=value, such as train.epochs=3")
        place(table, dotted.strip(), _parse_value(text.strip()), f"--set {setting}")
    return config_from_dict(table, source="--set")


def _parse_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _describe(error: Any) -> str:
    location = [str(part) for part in error["loc"]]
    path = ".".join(location) or "the configuration"
    if error["type"] == "extra_forbidden":
        return f"unknown setting {path}{_suggest(location)}"
    message = error["msg"].removeprefix("Value error, ")
    return f"{path}: {message[0].lower()}{message[1:]}"


def _suggest(location: list[str]) -> str:
    known = dict.fromkeys(Config.model_fields)
    if len(location) == 2:
        known = dict.fromkeys(type(getattr(Config(), location[0])).model_fields)
    elif len(location) > 2:
        section = SearchConfig if location[0] == "tune" else ConvBlockConfig
        known = dict.fromkeys(section.model_fields)
    close = difflib.get_close_matches(location[-1], known, n=1)
    return f" (did you mean {'.'.join([*location[:-1], close[0]])}?)" if close else ""
