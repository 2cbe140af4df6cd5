"""The run folder: its files, and the checks before anything is written to it."""

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.config import Config
from earmark.errors import TrainingError
from earmark.models.remote_model import local_model
from earmark.models.work_folder import CANDIDATES, WEIGHTS, WorkFolder, sources
from earmark.system.files import atomic_write, path_from, read_text
from earmark.system.remote.path import RemotePath, to_path

_EXTENDABLE = ("epochs", "patience", "min_delta")
"""Settings of ``train`` that may change when a run goes on: they only set when it ends."""


@dataclass(frozen=True)
class RunFolder(WorkFolder):
    """A folder that `train` fills.

    ::

        config.toml         all settings; its first line marks the folder as earmark's
        recordings.csv      every recording with its split, group and content
        choices.json        which settings were given, and which were chosen, with reasons
        fingerprint.json    what the rules chose them from, if they did
        naming.json         the patterns of file names that the data were read with, if any
        earlier.csv         with ``train.start_from``, recordings that only earlier runs have seen
        teachers.csv        digests of the weights of teachers and of what it starts from, if any
        log.jsonl           a line an epoch
        best.safetensors    the model
        last.safetensors    the state to resume from; a folder without it holds no training yet
        validation.csv      predictions of the validation clips by the best epoch
        loss.png            the loss curve
        candidates.json     what a search compared, and which of it was chosen
        candidates/NAME/    run folders of the candidates of a search
        held_out/           with ``train.refit``, the run folder of the first training
        predictions.csv     of the last test
        report.html         of the last test
        review.html         its wrong predictions, to listen to and to correct
        model_card.md       of the last test

    Args:
        path: The folder; it need not exist.
    """

    kind = "run"
    mark = "# The settings of an earmark run; `earmark train` goes on from this folder.\n"

    @property
    def log(self) -> Path:
        """A line an epoch."""
        return self.path / "log.jsonl"

    @property
    def best(self) -> Path:
        """The weights of the best epoch."""
        return self.path / WEIGHTS

    @property
    def validation(self) -> Path:
        """The predictions of the validation clips by the best epoch."""
        return self.path / "validation.csv"

    @property
    def last(self) -> Path:
        """The weights and the state of the last epoch."""
        return self.path / "last.safetensors"

    @property
    def earlier(self) -> Path:
        """The recordings that the runs before this one have seen and this one has not."""
        return self.path / "earlier.csv"

    @property
    def holds_results(self) -> bool:
        """Whether a training has begun here, which the same command continues."""
        return self.last.exists() or (self.is_refit and self.held_out.last.exists())

    @property
    def held_out(self) -> "RunFolder":
        """The run of the first training of ``train.refit``, whose validation is held out."""
        return RunFolder(self.path / "held_out")

    @property
    def candidates(self) -> Path:
        """Holds the run folders of the candidates of a search."""
        return self.path / CANDIDATES

    @property
    def search(self) -> Path:
        """What a search compared, and which of it was chosen."""
        return self.path / "candidates.json"

    @property
    def is_refit(self) -> bool:
        """Whether this is a run with ``train.refit``, so that `held_out` belongs to it."""
        try:
            return self.is_ours and bool(self.read_settings()["train"].get("refit"))
        except (ValueError, LookupError):
            return False

    @property
    def _naming(self) -> Path:
        return self.path / "naming.json"

    def _results(self) -> tuple[Path, ...]:
        names = (
            *("validation.csv", "loss.png"),
            *("predictions.csv", "report.html", "review.html", "model_card.md"),
        )
        return (
            self.last,
            self.best,
            self.log,
            self.choices,
            self.fingerprint,
            self.earlier,
            *(self.path / name for name in names),
        )

    @property
    def recorded_threads(self) -> int | None:
        """``train.num_threads`` of a run that can be resumed; None where it has none."""
        return self.read_settings()["train"].get("num_threads") if self.holds_results else None

    def _files(self) -> tuple[Path, ...]:
        return (*super()._files(), *self._results())

    def refuse_misuse(self, config: Config, data: Path | None, *, overwrite: bool) -> None:
        """Checks, before any work, that the folder may be written to.

        Args:
            config: Settings of the run that wants the folder.
            data: The data folder, if there is one.
            overwrite: Whether another run there may be replaced.

        Raises:
            TrainingError: The folder lies in the data, or holds files that are not earmark's, a
                teacher, or another run.
        """
        self.refuse_place(config, data)
        if self.holds_results and not overwrite:
            ours, stored = config.to_dict(), self.read_settings()
            self._refuse_other_settings(_without_extendable(ours), _without_extendable(stored))

    def refuse_other_data(self, table: str, teachers: Sequence[str], *, overwrite: bool) -> None:
        """Checks that a run in the folder learnt from the same recordings and models.

        Raises:
            TrainingError: It was not.
        """
        if self.holds_results and not overwrite:
            self._refuse_other_work(table, teachers)

    def open(self, config: Config, table: str, *, earlier: str = "", overwrite: bool) -> None:
        """Writes the settings and recordings that identify the run.

        Args:
            config: All settings.
            table: Text of ``recordings.csv``.
            earlier: Text of ``earlier.csv``; none is written if it is empty.
            overwrite: Whether the results of another run are removed first.
        """
        if overwrite:
            for file in self._results():
                file.unlink(missing_ok=True)
        if self.is_refit and self.held_out.is_ours and (overwrite or not config.train.refit):
            shutil.rmtree(self.held_out.path)
        more = {self.earlier: earlier} if earlier else {}
        self._identify(config, table, sources(config), more)

    def read_seen(self) -> list[dict[str, str]]:
        """The rows of ``recordings.csv`` and ``earlier.csv`` that are of no test split.

        Raises:
            DataError: A table is not the one that was written.
        """
        rows = [row for row in self.read_recordings() if row["split"] != "test"]
        # Whether it was written, not whether it is there.
        if self._find_checksum(self.earlier):
            rows += self._read_table(self.earlier)
        return rows

    def write_naming(self, data: Path, naming: Mapping[str, str | None]) -> None:
        """Writes how the names of files in a data set were read, if they were.

        A run that resumes from its own ``recordings.csv`` keeps what it has.

        Args:
            data: The data set, as it was named.
            naming: Patterns by their names in `read_manifest`.
        """
        if any(naming.values()):
            document = {"data": path_from(self.path, data), **naming}
            atomic_write(self._naming, json.dumps(document) + "\n")
        elif not self.last.exists():
            self._naming.unlink(missing_ok=True)

    def read_naming(self, data: Path) -> dict[str, str | None]:
        """The patterns that the run read a data set with; none if it was trained on another.

        Args:
            data: The data set.
        """
        try:
            document = json.loads(read_text(self._naming))
            naming = {key: document[key] for key in ("label_from", "group_from")}
            stored = to_path(document["data"])
            place = stored if isinstance(stored, RemotePath) else self.path / stored
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError):
            raise TrainingError(f"{self._naming}: damaged; train again") from None
        return naming if place.resolve() == data.resolve() else {}

    def write_log(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Writes ``log.jsonl``."""
        atomic_write(self.log, "".join(json.dumps(line) + "\n" for line in lines))

    def read_log(self) -> list[dict[str, Any]]:
        """The lines of ``log.jsonl``, one an epoch; none when it is missing or damaged."""
        try:
            text = self.log.read_text(encoding="utf-8")
            return [json.loads(line) for line in text.splitlines()]
        except (OSError, ValueError):
            return []


def weights_file(model: Path) -> Path:
    """The file of a model: that of the best weights in a run folder, or the model itself."""
    model = local_model(model)
    return RunFolder(model).best if model.is_dir() else model


def find_run(model: Path) -> RunFolder | None:
    """The run folder that a model is or lies in; None if there is none."""
    model = local_model(model)
    run = RunFolder(model if model.is_dir() else model.parent)
    return run if run.is_ours and run.recordings.is_file() else None


def _without_extendable(table: Mapping[str, Any]) -> Mapping[str, Any]:
    train = {key: value for key, value in table["train"].items() if key != "num_threads"}
    # A schedule spans the epochs: another number of them changes the rate of every step.
    # The folder may be older than the setting.
    is_fixed = train.get("lr_schedule") != "constant" or train.get("warmup_fraction")
    kept = ("epochs",) if is_fixed else ()
    # A first training that goes on would change what a refit has taken from it.
    free = () if train.get("refit") else set(_EXTENDABLE).difference(kept)
    train = {key: value for key, value in train.items() if key not in free}
    return {**table, "train": train}
