"""The sections of the settings, and the whole that they make."""

import math
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import Field, model_validator

from earmark.config.base import (
    MAX_WINDOW_FRAMES,
    Fraction,
    Length,
    PaddingPair,
    Pair,
    Positive,
    Section,
    Share,
    Size,
)
from earmark.config.search import TuneConfig

Head = Literal["pool", "mean_max", "flatten"]


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

    def num_frames(self, num_samples: int) -> int:
        """Number of frames of a clip.

        Args:
            num_samples: Length of the clip, at ``sample_rate``.

        Example:
            >>> FeatureConfig().num_frames(16_000)
            51
        """
        return 1 + num_samples // self.hop_length

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
        ConvBlockConfig(channels=16, kernel_size=(5, 5), padding=(2, 2), pool_size=(2, 4)),
        ConvBlockConfig(channels=20, kernel_size=(3, 3), padding=(1, 1), pool_size=(2, 2)),
        ConvBlockConfig(channels=24, kernel_size=(3, 3), padding=(1, 1), pool_size=(2, 2)),
        ConvBlockConfig(channels=28, kernel_size=(3, 3), padding=(1, 1), pool_size=(2, 1)),
    )
    """The convolution blocks in order."""
    head: Head = "pool"
    """`pool` averages over frames and takes any length; `mean_max` adds the maximum to the average,
    for sounds that fill little of a window; `flatten` is the textbook head and fixes the length of
    its windows."""
    dropout: Fraction = 0.25
    """Probability that a value is dropped before the classifier."""
    width: Annotated[float, Field(gt=0, le=32)] = 1.0
    """Channels of `bc_resnet` and `cp_resnet`, as a multiple of their usual ones."""
    rho: Annotated[int, Field(ge=0, le=22)] = 5
    """How many convolutions of `cp_resnet`, after its first block, look at neighbours too."""


class AugmentConfig(Section):
    """What chance does to the windows of training, in the order of this table.

    0 turns each kind off, and `shortest` is off at 1.
    """

    time_stretch: Annotated[float, Field(ge=0, le=4)] = 0.25
    """Windows are cut up to this much longer or shorter, then brought to one length: 0.25 is from
    1/1.25 to 1.25 times the length."""
    shortest: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Batches are cut to a random share of the window, at least this; 1 leaves them whole."""
    roll: Share = 0.0
    """Windows are rotated in time by up to this share of their length."""
    frequency_warp: Annotated[float, Field(ge=0, le=4)] = 0.0
    """Bands are moved up or down the mel scale by a factor of up to 1 plus this, as of smaller or
    larger bodies: 0.1 is from 1/1.1 to 1.1."""
    gain_db: Annotated[float, Field(ge=0, le=60)] = 10.0
    """Windows are made louder or softer by up to this many decibels."""
    filter_db: Annotated[float, Field(ge=0, le=60)] = 0.0
    """Bands are made louder or softer by up to this many decibels, along a smooth random curve."""
    noise: Share = 0.5
    """Share of the windows that get noise of a random colour."""
    noise_snr_db: Annotated[float, Field(ge=-20, le=60)] = 5.0
    """Loudest noise, as a signal-to-noise ratio before its colour, which may add some 10 dB; the
    softest is 30 dB lower."""
    mixup: Share = 0.0
    """Share of the windows that are mixed with another one of their batch, targets as well."""
    mixup_alpha: Annotated[float, Field(gt=0, le=100)] = 0.4
    """Parameters of the beta distribution of the mixing ratio: 1 is uniform, less mixes less."""
    mixup_domain: Literal["decibels", "energy"] = "decibels"
    """`decibels` mixes the values that the network sees (mixup); `energy` mixes as if both sounded
    at once, at equal levels before the ratio (between-class mixing); in a multi-label task both
    then keep all their labels."""
    freq_mixstyle: Share = 0.0
    """Share of the batches in which each band's mean and deviation are mixed with those of another
    window."""
    freq_mixstyle_alpha: Annotated[float, Field(gt=0, le=100)] = 0.4
    """Both parameters of the beta distribution of that mixing ratio."""
    frequency_masks: Annotated[int, Field(ge=0, le=100)] = 0
    """Stretches of bands that are blanked out."""
    frequency_mask_fraction: Share = 0.2
    """Widest such stretch, as a share of the bands."""
    time_masks: Annotated[int, Field(ge=0, le=100)] = 1
    """Stretches of time that are blanked out."""
    time_mask_fraction: Share = 0.2
    """Longest such stretch, as a share of the window."""

    def source_frames(self, window_frames: int) -> int:
        """Frames that a window is cut from: more than it has, where it is stretched.

        Args:
            window_frames: Length of the windows that the network gets.
        """
        return math.ceil(window_frames * (1 + self.time_stretch))


class TrainConfig(Section):
    """Training and the splitting of data that come without splits."""

    epochs: Positive = 100
    """Largest number of epochs."""
    batch_size: Length = 32
    """Windows a batch, in each process."""
    grad_accumulation_steps: Length = 1
    """Batches whose gradients make one step, as one batch of so many times the size would."""
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3
    """Step size of AdamW; the highest one of a schedule."""
    lr_schedule: Literal["constant", "cosine", "one_cycle"] = "cosine"
    """How the step size goes on after warm-up: it stays, or falls to nothing over `train.epochs`
    along a cosine. `one_cycle` does so too, and lets the momentum fall and rise against it."""
    warmup_fraction: Fraction = 0.1
    """Share of `train.epochs` in which the step size rises to its highest."""
    max_grad_norm: Annotated[float, Field(ge=0)] = 0.0
    """Longest gradient over all weights; longer ones are shortened. 0 lets all pass."""
    ema_decay: Fraction = 0.9
    """Share that the moving average of the weights keeps at each step; the average is validated and
    kept. 0 keeps the weights themselves."""
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    """Numbers in the layers while training; `auto` is bfloat16 where the device has it."""
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    """Weight decay of AdamW."""
    hold_out_validation: bool = True
    """Whether validation recordings are held out. If not, they train too: every epoch is run, the
    last weights are kept, and thresholds stay at their defaults."""
    patience: Positive = 30
    """Epochs without a better validation loss before training stops."""
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    """A validation loss is better when it is lower by more than this."""
    task: Literal["auto", "binary", "multi_class", "multi_label"] = "auto"
    """What the labels mean. `auto` goes by the data: a recording with several labels makes them
    `multi_label`, two labels are `binary`, more are `multi_class`."""
    balance: Literal["none", "weights", "sampling"] = "none"
    """How rare labels are helped: by weights in the loss, or by drawing them more often."""
    label_smoothing: Fraction = 0.0
    """Share of each target that is spread over what it is not."""
    teachers: tuple[str, ...] = ()
    """Run folders of trained networks, whose probabilities are learnt beside the labels. In
    `cross-validate` also folders of cross-validations that kept their models: those of a fold
    teach it."""
    teacher_weight: Share = 0.8
    """What the mean of these probabilities weighs in a target; the labels weigh the rest."""
    crop_seconds: Annotated[float, Field(gt=0, le=3600)] = 1.0
    """Length of the windows that the network sees, or that of the longest training clip where it is
    shorter; long clips are judged by the mean over them."""
    max_crops: Annotated[int, Field(ge=1, le=10_000)] = 4
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
    resamples: Annotated[int, Field(ge=100, le=1_000_000)] = 2000
    """How often groups are drawn again for the bootstrap intervals."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of these draws."""
    excerpt_seconds: Annotated[float, Field(gt=0, le=3600)] | None = None
    """Length of the stretches that are each judged alone as well, without the sound around them."""


class PredictConfig(Section):
    """How clips longer than a window are judged, in validation, testing and use alike.

    From `hop_seconds` on, how the time lines of recordings are made.
    """

    overlap: Fraction = 0.0
    """Share of a window that the next one repeats."""
    pooling: Literal["mean", "max", "attention"] = "mean"
    """How the windows of a clip decide: by the mean of their logits, by the surest window, or by a
    mean in which surer windows weigh more."""
    min_probability: Fraction = 0.0
    """A label that is less probable than this is not given; a clip that is left without any is
    `unsure`. At 0 there is none. Validation while training decides on every clip."""
    silence_db: Annotated[float, Field(ge=-200, le=0)] = -80.0
    """A clip whose loudest frame lies below this, in dB of full scale, is `silence` and gets no
    label. The default is the noise of 16-bit sound; -200 lets digital silence have its label."""
    hop_seconds: Annotated[float, Field(gt=0, le=3600)] = 0.1
    """Step from one window of a time line, or of a stream, to the next."""
    smoothing: Literal["viterbi", "median", "none"] = "viterbi"
    """How the windows of a time line become segments: by the likeliest segments of which none is
    too short, by the median over neighbours, or each by itself."""
    min_segment_seconds: Annotated[float, Field(ge=0, le=3600)] = 1.0
    """Shortest segment of `viterbi`; length of the median of `median`."""
    boundary_fraction: Fraction = 0.35
    """Where segments begin and end is judged by the middle of each window, so large a share of it;
    at 0 by whole windows, as `none` always is."""

    @property
    def moves_boundaries(self) -> bool:
        """Whether the middles of windows place the boundaries of segments."""
        return self.boundary_fraction > 0 and self.smoothing != "none"


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
        num_frames = features.num_frames(round(seconds * features.sample_rate))
        if num_frames > MAX_WINDOW_FRAMES:
            raise ValueError(
                f"windows of {num_frames:,} frames are longer than {MAX_WINDOW_FRAMES:,}; lower "
                f"train.crop_seconds = {seconds} or raise features.hop_length = "
                f"{features.hop_length}"
            )
        self._check_excerpt_seconds()
        if self.model.head == "flatten" and self.augment.shortest < 1:
            raise ValueError(
                f"augment.shortest = {self.augment.shortest}: model.head = flatten takes windows "
                "of one length only; leave it out, or train with model.head = pool"
            )
        return self

    def _check_excerpt_seconds(self) -> None:
        seconds, features = self.evaluate.excerpt_seconds, self.features
        if seconds is None:
            return
        if self.model.head == "flatten":
            raise ValueError(
                f"evaluate.excerpt_seconds = {seconds}: model.head = flatten takes windows of one "
                "length only; leave it out, or train with model.head = pool"
            )
        shortest = (features.win_length + 2 * features.hop_length) / features.sample_rate
        if seconds < shortest:
            raise ValueError(
                f"evaluate.excerpt_seconds = {seconds}: shorter than {shortest:g} s, a window of "
                "the front end and two steps"
            )

    def with_train(self, **settings: Any) -> "Config":
        """The same settings but for some of the section ``train``, which are known to be right."""
        return self.model_copy(update={"train": self.train.model_copy(update=settings)})

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain tables, without those that are not given."""
        return self.model_dump(mode="json", exclude_none=True)

    def to_toml(self) -> str:
        """The settings as TOML text that `load_config` reads back."""
        return tomli_w.dumps(self.to_dict())
