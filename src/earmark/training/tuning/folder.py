"""The study folder: what is in it, whose it is, and whether it may be written to."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.config import Config
from earmark.errors import ConfigError
from earmark.models.work_folder import WorkFolder
from earmark.system.files import atomic_write, csv_lines


@dataclass(frozen=True)
class StudyFolder(WorkFolder):
    """A folder that `tune` fills.

    ::

        config.toml         all settings and the search space; its first line says whose it is
        recordings.csv      every recording of training and validation, with its content
        teachers.csv        what the teachers of its trials were, if they have any
        journal.log         every trial, line by line, as Optuna keeps it
        trials.csv          a row a trial
        best.toml           all settings of the best trial
        trials/NNNN/        run folders: the best trial's, and those at work
        workers/            a locked file for each worker that lives
        history.png, importance.png, parallel.png

    Args:
        path: The folder; it need not exist.
    """

    kind = "study"
    mark = "# The settings of an earmark study; `earmark tune` goes on from this folder.\n"
    remedy = "choose another folder"

    @property
    def journal(self) -> Path:
        """Every trial, as Optuna keeps it."""
        return self.path / "journal.log"

    @property
    def table(self) -> Path:
        """A row a trial."""
        return self.path / "trials.csv"

    @property
    def best(self) -> Path:
        """All settings of the best trial."""
        return self.path / "best.toml"

    @property
    def trials(self) -> Path:
        """Where the run folders of the trials lie."""
        return self.path / "trials"

    @property
    def workers(self) -> Path:
        """Where each living worker has a locked file."""
        return self.path / "workers"

    def run(self, number: int) -> Path:
        """The run folder of a trial."""
        return self.trials / f"{number:04d}"

    def refuse_misuse(self, config: Config, data: Path | None) -> None:
        """Checks, before any work, that the folder may be written to.

        Args:
            config: Settings of the study that wants it, the search space written out.
            data: The data folder, if there is one.

        Raises:
            TrainingError: It lies in the data, holds files that are not a study's, a teacher, or
                another study.
        """
        files = (self.config_file, self.recordings, self.journal, self.table, self.best)
        self._refuse_place(config, data, files)
        if self.is_ours and _identity(config.to_dict()) != _identity(self._stored()):
            raise self._another("settings differ")

    def refuse_other_data(self, table: str, teachers: Sequence[str]) -> None:
        """Checks that a study in the folder has been made on these very recordings.

        Raises:
            TrainingError: It was not.
        """
        if self.is_ours:
            self._refuse_other_work(table, teachers)

    def _stored(self) -> Mapping[str, Any]:
        return tomllib.loads(self.config_file.read_text(encoding="utf-8"))

    def open(self, config: Config, table: str) -> None:
        """Writes what identifies the study.

        Args:
            config: All settings, the search space written out.
            table: Text of ``recordings.csv``.
        """
        for folder in (self.trials, self.workers):
            folder.mkdir(parents=True, exist_ok=True)
        self._identify(config, table, config.train.teachers)

    def write_table(self, rows: Iterable[Sequence[Any]]) -> None:
        """Writes ``trials.csv``.

        Args:
            rows: The headings, and a row a trial.
        """
        atomic_write(self.table, "".join(csv_lines(rows)))

    def best_settings(self) -> Path:
        """The file with the settings of the best trial.

        Raises:
            ConfigError: There is none.
        """
        if not self.best.is_file():
            raise ConfigError(
                f"{self.path}: no study with a best trial; make one with earmark tune"
            )
        return self.best


def _identity(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without the number of trials, which may grow."""
    tune = {key: value for key, value in table["tune"].items() if key != "trials"}
    return {**table, "tune": tune}
