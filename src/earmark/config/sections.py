"""The sections of the settings, and the whole configuration."""

import re
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import Field, model_validator

from earmark.config.augment import OFF, AugmentConfig
from earmark.config.base import (
    MAX_WINDOW_FRAMES,
    Fraction,
    FractionBelowOne,
    Length,
    Positive,
    Section,
)
from earmark.config.features import FeatureConfig
from earmark.config.model import ModelConfig
from earmark.config.recipe import RecipeConfig
from earmark.config.search import TuneConfig

_ARRAY_OF_NUMBERS = re.compile(r"\[\n((?: +[-\d.e]+,\n)+) *\]")


class TrainConfig(Section):
    """Training, and the split of data without splits."""

    epochs: Positive = 100
    """Maximum number of epochs."""
    batch_size: Length = 32
    """Number of windows in a batch, in each process."""
    grad_accumulation_steps: Length = 1
    """Number of batches whose gradients are accumulated for one optimizer step."""
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3
    """Learning rate of AdamW; the maximum of the schedule."""
    lr_schedule: Literal["constant", "cosine", "one_cycle"] = "cosine"
    """Schedule after warm-up: `constant`, or `cosine` decay to 0 over `train.epochs`; `one_cycle`
    is `cosine` with a momentum that moves in the opposite direction."""
    warmup_fraction: FractionBelowOne = 0.1
    """Fraction of `train.epochs` in which the learning rate rises linearly from 0."""
    max_grad_norm: Annotated[float, Field(ge=0)] = 0.0
    """Maximum gradient norm; 0 disables clipping."""
    ema_decay: FractionBelowOne = 0.9
    """Decay of the exponential moving average of the weights, which is validated and kept; 0
    disables it."""
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    """Floating-point type in training; `auto` is bfloat16 if the device supports it. On other
    processors bfloat16 is imitated, more slowly than float32."""
    num_threads: Length | None = None
    """Number of CPU threads of the training; measured at its start and recorded if not given. The
    last digits of the results depend on it."""
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    """Weight decay of AdamW."""
    hold_out_validation: bool = True
    """Whether the validation split is held out. If not, it is used for training: all epochs are
    run, the last weights are kept, and thresholds stay at their defaults."""
    refit: bool = False
    """Whether a last training, on training and validation recordings together, follows the one
    with held-out validation. It runs all epochs and its last weights are the model; temperature,
    thresholds and validation metrics are those of the first training."""
    patience: Positive = 30
    """Number of epochs without a better validation loss before training stops early."""
    min_delta: Annotated[float, Field(ge=0)] = 0.005
    """Minimum decrease of the validation loss that counts as an improvement, as a fraction of the
    loss of a network that gives all labels the same probability. The weights kept are those of the
    lowest loss in any case."""
    task: Literal["auto", "binary", "multi_class", "multi_label"] = "auto"
    """Task of the labels. `auto` depends on the data: `multi_label` if a recording has several
    labels, else `binary` for two labels and `multi_class` for more."""
    background_label: Annotated[str, Field(pattern="^[^;]*$")] = "_background_"
    """Label of recordings of anything else: the network learns to tell them from the other labels,
    but it is never predicted. Empty: no label is treated like this."""
    balance: Literal["none", "weights", "sampling"] = "none"
    """Class balancing: `weights` in the loss, or `sampling` rare labels more often."""
    label_smoothing: FractionBelowOne = 0.0
    """Fraction of each target that is spread uniformly over its possible values."""
    teachers: tuple[str, ...] = ()
    """Run folders of networks for knowledge distillation: their probabilities are mixed into the
    targets. In `cross-validate` also folders of cross-validations with `--keep-models`: their
    models of a fold are the teachers of that fold."""
    teacher_weight: Fraction = 0.8
    """Weight of the teachers' mean probabilities in the targets; the labels have the rest."""
    start_from: str | None = None
    """Run folder whose weights the training starts from, instead of random ones. The settings that
    are not given are those of that run, and recordings that it knows keep their splits."""
    crop_seconds: Annotated[float, Field(gt=0, le=3600)] = 1.0
    """Duration of the windows of the network in seconds, or that of the longest training clip if it
    is shorter; predictions for longer clips pool their windows."""
    max_crops: Annotated[int, Field(ge=1, le=10_000)] = 4
    """Maximum number of random windows of a clip in an epoch; long clips have more than short."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Random seed of the initial weights, the batches and the augmentation."""
    split_seed: Annotated[int, Field(ge=0)] = 0
    """Random seed of the split of data without splits."""
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Fraction of the recordings in the validation split of data without splits."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Fraction of the recordings in the test split of data without splits."""

    @model_validator(mode="after")
    def _check(self) -> "TrainConfig":
        if self.validation_fraction + self.test_fraction >= 1:
            raise ValueError("validation_fraction and test_fraction leave no data for training")
        if self.refit and not self.hold_out_validation:
            raise ValueError(
                "refit = true needs hold_out_validation = true for its first training; leave one "
                "of the two out"
            )
        return self

    @property
    def trains_on_validation(self) -> bool:
        """Whether the weights of the model are fitted to the validation recordings too."""
        return self.refit or not self.hold_out_validation


class EvaluateConfig(Section):
    """The test report."""

    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Confidence level of the intervals."""
    resamples: Annotated[int, Field(ge=100, le=1_000_000)] = 2000
    """Number of bootstrap resamples of the groups."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Random seed of the bootstrap."""
    excerpt_seconds: Annotated[float, Field(gt=0, le=3600)] | None = None
    """Duration in seconds of excerpts that are also tested on their own, without their context."""
    baseline: bool = True
    """Whether a classical model is fitted on the same split and tested beside the network."""


class PredictConfig(Section):
    """Prediction for clips longer than a window, in validation, testing and use.

    The settings from `hop_seconds` on are those of time lines.
    """

    overlap: FractionBelowOne = 0.0
    """Overlap of consecutive windows of a clip, as a fraction of the window."""
    pooling: Literal["mean", "max", "attention"] = "mean"
    """How the logits of the windows of a clip are pooled: `mean`, `max` takes those of the most
    confident window, `attention` is a mean weighted by confidence."""
    min_probability: FractionBelowOne = 0.0
    """Minimum probability of a predicted label; a clip without such a label is `unsure`. 0
    disables it. Validation in training does not abstain."""
    false_alarm_rate: Annotated[float, Field(ge=0, le=0.5)] = 0.001
    """Fraction of the sound that is like that of training on which the model may abstain as
    `unlike_training`, which sets how unlike sound must be. 0 disables it."""
    silence_db: Annotated[float, Field(ge=-200, le=0)] = -80.0
    """A clip whose loudest frame is below this level, in dB of full scale, is `silence` and has no
    label. The default is the noise of 16-bit audio; -200 disables it."""
    hop_seconds: Annotated[float, Field(gt=0, le=3600)] = 0.1
    """Step between the windows of a time line or a stream, in seconds."""
    smoothing: Literal["viterbi", "median", "none"] = "viterbi"
    """How the windows of a time line become segments: `viterbi` finds the most likely segments of
    a minimum duration, `median` filters the windows, `none` uses each window alone."""
    min_segment_seconds: Annotated[float, Field(ge=0, le=3600)] = 2.0
    """Minimum duration of the segments of `viterbi`, and filter length of `median`, in seconds."""
    boundary_fraction: FractionBelowOne = 0.35
    """Fraction of each window, at its middle, that refines the boundaries of segments; 0 and
    `smoothing = "none"` use whole windows."""

    @property
    def moves_boundaries(self) -> bool:
        """Whether the boundaries of segments are refined."""
        return self.boundary_fraction > 0 and self.smoothing != "none"


class Config(Section):
    """The whole configuration; each field is a table of the TOML file.

    Example:
        >>> config = Config(train={"epochs": 5})
        >>> config.train.epochs, config.features.n_mels
        (5, 40)
    """

    recipe: RecipeConfig = RecipeConfig()
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
        self._check_vectors()
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
        if features.embedder is not None:
            raise ValueError(
                f"evaluate.excerpt_seconds = {seconds}: is for log-mel frames; leave it out with "
                "an embedder, whose windows are tested together"
            )
        shortest = (features.win_length + 2 * features.hop_length) / features.sample_rate
        if seconds < shortest:
            raise ValueError(
                f"evaluate.excerpt_seconds = {seconds}: shorter than {shortest:g} s, which is "
                "features.win_length and two features.hop_length"
            )

    def _check_vectors(self) -> None:
        if self.features.embedder is None:
            return
        for key, off in OFF.items():
            value = getattr(self.augment, key)
            if key != "mixup" and value != off:
                raise ValueError(f"augment.{key} = {value}: vectors are not sound; set it to {off}")
        if self.augment.mixup and self.augment.mixup_domain == "energy":
            raise ValueError(
                "augment.mixup_domain = energy: vectors have no energy; set it to decibels"
            )

    @property
    def given(self) -> frozenset[str]:
        """The settings that somebody gave, each ``section.key``; the others may be chosen."""
        return frozenset(
            f"{section}.{key}"
            for section in type(self).model_fields
            for key in getattr(self, section).model_fields_set
        )

    def with_train(self, **settings: Any) -> "Config":
        """A copy with other settings of ``train``, which count as given and are not validated."""
        return self.model_copy(update={"train": self.train.model_copy(update=settings)})

    def to_dict(self) -> dict[str, Any]:
        """The settings as nested dictionaries, without those that are None."""
        return self.model_dump(mode="json", exclude_none=True)

    def to_toml(self) -> str:
        """The settings as TOML, which `load_config` reads."""
        text = tomli_w.dumps(self.to_dict())
        # Pairs, mostly, which take a line each otherwise.
        return _ARRAY_OF_NUMBERS.sub(
            lambda found: f"[{' '.join(found[1].split()).rstrip(',')}]", text
        )
