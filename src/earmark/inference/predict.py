"""The verb `predict`: a model and any sounds to their labels."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from earmark.errors import ConfigError, FailedFile
from earmark.inference.classifier import Classifier, load_model
from earmark.inference.inputs import find_sounds
from earmark.inference.predictions import Prediction


def predict(
    model: Classifier | Path | str,
    sounds: Path | str | Iterable[Path | str],
    *,
    segments: bool = False,
    device: str = "auto",
    settings: Sequence[str] = (),
) -> list[Prediction | FailedFile]:
    """Predicts the labels of sound files; those that fail are reported among the results.

    Args:
        model: As for `load_model`, or what that returned.
        sounds: A file, a folder, a pattern such as ``recordings/**/*.wav``, or several of them.
        segments: Whether to find out when each label is heard, too.
        device: As for `load_model`.
        settings: As for `load_model`.

    Returns:
        A `Prediction` or a `FailedFile` for each file, in order.

    Raises:
        CheckpointError: The model cannot be opened.
        ConfigError: A device or settings are given with a model that is open already; the device
            is not available, or a setting is invalid.

    Example:
        >>> from earmark.data.demo import demo_data
        >>> with demo_data() as folder:
        ...     [result] = predict("speech-music", sorted(folder.rglob("*.flac"))[0])
        >>> result.label
        'music'
    """
    if not isinstance(model, Classifier):
        model = load_model(model, device=device, settings=settings)
    elif device != "auto" or settings:
        raise ConfigError("device and settings: give them to load_model; this model is open")
    named = [sounds] if isinstance(sounds, Path | str) else sounds
    return list(model.predict_many(find_sounds(map(Path, named)), segments=segments))
