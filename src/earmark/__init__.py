"""From a folder of labelled sound to an audio classifier that people can trust and ship.

::

    earmark.train("recordings", "run").evaluate().report
    earmark.load_model("speech-music").predict("a.mp3")

Importing earmark loads no other package: each name below is imported when it is first used.

Example:
    >>> import earmark
    >>> earmark.load_config(settings=["train.epochs=5"]).train.epochs
    5
"""

from earmark._version import __version__ as __version__

TYPE_CHECKING = False
"""As in `typing`, whose import would take half the time of this one."""

if TYPE_CHECKING:
    from earmark.audio.reading import load_audio
    from earmark.audit.audit import check
    from earmark.config import Config, load_config
    from earmark.data.manifest import Manifest, read_manifest
    from earmark.errors import (
        AudioError,
        CheckpointError,
        ConfigError,
        DataError,
        EarmarkError,
        ExportError,
        FailedFile,
        MissingExtraError,
        RemoteError,
        StoreError,
        TrainingError,
    )
    from earmark.evaluation.compare import compare
    from earmark.exporters.targets import export
    from earmark.features.log_mel import LogMel
    from earmark.inference.classifier import Classifier, load_model
    from earmark.inference.predict import predict
    from earmark.inference.predictions import Prediction
    from earmark.inference.segmentation.segments import Segment
    from earmark.labelling.imports.run import import_labels
    from earmark.report.evaluate import evaluate
    from earmark.training.cross_validation.run import cross_validate
    from earmark.training.recipes.prepare import prepare
    from earmark.training.train import train
    from earmark.training.tuning.search import tune

__all__ = [
    "AudioError",
    "CheckpointError",
    "Classifier",
    "Config",
    "ConfigError",
    "DataError",
    "EarmarkError",
    "ExportError",
    "FailedFile",
    "LogMel",
    "Manifest",
    "MissingExtraError",
    "Prediction",
    "RemoteError",
    "Segment",
    "StoreError",
    "TrainingError",
    "check",
    "compare",
    "cross_validate",
    "evaluate",
    "export",
    "import_labels",
    "load_audio",
    "load_config",
    "load_model",
    "predict",
    "prepare",
    "read_manifest",
    "train",
    "tune",
]

_NAMES_OF = {
    "audio.reading": ["load_audio"],
    "audit.audit": ["check"],
    "config": ["Config", "load_config"],
    "data.manifest": ["Manifest", "read_manifest"],
    "errors": [
        *("AudioError", "CheckpointError", "ConfigError", "DataError", "EarmarkError"),
        *("ExportError", "FailedFile", "MissingExtraError", "RemoteError"),
        *("StoreError", "TrainingError"),
    ],
    "evaluation.compare": ["compare"],
    "exporters.targets": ["export"],
    "features.log_mel": ["LogMel"],
    "inference.classifier": ["Classifier", "load_model"],
    "inference.predict": ["predict"],
    "inference.predictions": ["Prediction"],
    "inference.segmentation.segments": ["Segment"],
    "labelling.imports.run": ["import_labels"],
    "report.evaluate": ["evaluate"],
    "training.cross_validation.run": ["cross_validate"],
    "training.recipes.prepare": ["prepare"],
    "training.train": ["train"],
    "training.tuning.search": ["tune"],
}
_MODULE_OF = {name: f"earmark.{module}" for module, names in _NAMES_OF.items() for name in names}


if not TYPE_CHECKING:  # For a type checker, any other name is an error.

    def __getattr__(name: str) -> object:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        from earmark.errors import MissingExtraError, needs_extra

        try:
            with needs_extra(name):
                value = getattr(import_module(_MODULE_OF[name]), name)
        except MissingExtraError as error:
            # Not here, where it would break help(earmark) and `import *`: when it is called.
            return _unavailable(name, error)
        globals()[name] = value
        return value


def _unavailable(name: str, error: Exception) -> object:
    """A function that stands for one whose packages are not installed."""

    def stand_in(*_: object, **__: object) -> None:
        raise error

    stand_in.__name__ = stand_in.__qualname__ = name
    stand_in.__doc__ = str(error)
    return stand_in


def __dir__() -> list[str]:
    return ["__version__", *__all__]
