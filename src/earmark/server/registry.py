"""The models that the service has open, by name; one that changes on disk is opened again."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.errors import ConfigError, EarmarkError
from earmark.features.windows import evaluation_batch
from earmark.inference.classifier import Classifier, open_network
from earmark.models.pretrained import find_model
from earmark.models.run_folder import weights_file
from earmark.server.batching import SharedBackend
from earmark.server.metrics import Metrics
from earmark.system.file_state import FileState

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Opening:
    """How models are opened.

    Args:
        device: As for `earmark.load_model`.
        settings: As for `earmark.load_model`.
    """

    device: str = "auto"
    settings: tuple[str, ...] = ()


class ServedModel:
    """A model under a name. `classifier` may be replaced at any time, so a request reads it once.

    Args:
        name: In requests.
        path: As `earmark.models.pretrained.find_model` gives it.
        opening: How it is opened.
        metrics: Where batches are counted.

    Raises:
        CheckpointError: It cannot be opened.
    """

    def __init__(self, name: str, path: Path, opening: Opening, metrics: Metrics) -> None:
        self.name, self._path = name, path
        self._opening, self._metrics = opening, metrics
        self._state = self._look()
        self.classifier = self._open()

    def refresh(self) -> bool:
        """Opens the model again if its file has changed; it stays as it is if that fails.

        Returns:
            Whether the file had changed.
        """
        state = self._look()
        if state is None or state == self._state:
            # A file that is gone is about to be replaced.
            return False
        self._state = state
        try:
            self.classifier = self._open()
        except (EarmarkError, OSError) as error:
            # Perhaps it is being written; then it changes once more.
            self._metrics.reloads.labels(self.name, "failed").inc()
            logger.warning("model not reloaded", extra={"facts": {"error": str(error)}})
            return True
        self._metrics.reloads.labels(self.name, "loaded").inc()
        logger.info("model reloaded", extra={"facts": {"model": self.name}})
        return True

    def describe(self) -> dict[str, Any]:
        """What a client may want to know."""
        spec = self.classifier.spec
        return {
            "name": self.name,
            "labels": list(spec.answers),
            "task": spec.task.name,
            "sample_rate": self.classifier.sample_rate,
            "window_seconds": spec.window_seconds,
            "hop_seconds": spec.config.predict.hop_seconds,
        }

    def _look(self) -> tuple[int, ...] | None:
        try:
            # Whether it is settled changes by itself.
            return FileState.of(weights_file(self._path))[:-1]
        except OSError:
            return None

    def _open(self) -> Classifier:
        spec, backend = open_network(self._path, self._opening.device)
        spec = spec.adjust(self._opening.settings)
        batch = evaluation_batch(spec.config.features.n_mels, spec.window_frames)
        shared = SharedBackend(backend, batch, self._metrics.batch_windows.observe)
        return Classifier(spec, shared, self.name)


class ModelRegistry:
    """Models by name; the first is that of requests that name none.

    Args:
        models: As the user names them: each a model as for `earmark.load_model`, or NAME=MODEL.
        opening: How they are opened.
        metrics: Of the service.

    Raises:
        CheckpointError: One cannot be opened.
        ConfigError: Two have the same name.

    Example:
        >>> registry = ModelRegistry(["speech-music"], Opening(), Metrics())
        >>> registry.names
        ('speech-music',)
    """

    def __init__(self, models: Sequence[str], opening: Opening, metrics: Metrics) -> None:
        self._models: dict[str, ServedModel] = {}
        for text in models:
            name, model = _split_name(text)
            path = find_model(model)
            name = name or _short_name(path)
            if name in self._models:
                raise ConfigError(f"{text}: two models are named {name}; write NAME={model}")
            self._models[name] = ServedModel(name, path, opening, metrics)

    @property
    def names(self) -> tuple[str, ...]:
        """In the order in which they were given."""
        return tuple(self._models)

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(self._models.values())

    def find(self, names: Sequence[str]) -> list[ServedModel] | None:
        """The models of those names, the first one if there are none; None if one is unknown."""
        found = [self._models.get(name) for name in dict.fromkeys(names or self.names[:1])]
        known = [one for one in found if one is not None]
        return known if len(known) == len(found) else None

    def refresh(self) -> None:
        """Opens those models again whose files have changed."""
        for model in self._models.values():
            model.refresh()


def _split_name(text: str) -> tuple[str, str]:
    name, equals, model = text.partition("=")
    return (name, model) if equals and name and not Path(text).exists() else ("", text)


def _short_name(path: Path) -> str:
    """The folder of a run, or the name of a file that says more than ``best``."""
    path = path.absolute()
    return path.parent.name if path.stem in ("best", "last") else path.stem
