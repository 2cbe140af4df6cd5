"""The study folder: what is in it, whose it is, and whether it may be written to."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.config import Config
from earmark.errors import ConfigError, TrainingError
from earmark.files import csv_lines, write_whole

_MARK = "# The settings of an earmark study; `earmark tune` goes on from this folder.\n"


@dataclass(frozen=True)
class StudyFolder:
    """A folder that `tune` fills.

    ::

        config.toml         all settings and the search space; its first line says whose it is
        recordings.csv      every recording of training and validation, with its content
        journal.log         every trial, line by line, as Optuna keeps it
        trials.csv          a row a trial
        best.toml           all settings of the best trial
        trials/NNNN/        run folders: the best trial's, and those at work
        workers/            a locked file for each worker that lives
        history.png, importance.png, parallel.png

    Args:
        path: The folder; it need not exist.
    """

    path: Path

    @property
    def config_file(self) -> Path:
        """All settings, the search space written out."""
        return self.path / "config.toml"

    @property
    def recordings(self) -> Path:
        """The table of what the trials are trained and validated on."""
        return self.path / "recordings.csv"

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

    @property
    def is_ours(self) -> bool:
        """Whether earmark made the folder."""
        try:
            return self.config_file.read_text(encoding="utf-8").startswith(_MARK)
        except (OSError, UnicodeDecodeError):
            return False

    def refuse_misuse(self, config: Config, data: Path) -> None:
        """Checks, before any work, that the folder may be written to.

        Args:
            config: Settings of the study that wants it, the search space written out.
            data: The data folder or manifest.

        Raises:
            TrainingError: It lies in the data, holds files that are not a study's, or another
                study.
        """
        inside = data if data.is_dir() else None
        if inside and self.path.resolve().is_relative_to(inside.resolve()):
            raise TrainingError(f"{self.path}: lies in the data folder; choose one outside of it")
        if not self.is_ours:
            files = (self.config_file, self.recordings, self.journal, self.table, self.best)
            if any(file.exists() for file in files):
                raise TrainingError(
                    f"{self.path}: holds files that are not those of a study; choose another folder"
                )
        elif _identity(config.to_dict()) != _identity(self._stored()):
            raise self._another("settings differ")

    def refuse_other_data(self, table: str) -> None:
        """Checks that a study in the folder has been made on these very recordings.

        Raises:
            TrainingError: It was not.
        """
        if not (self.is_ours and self.recordings.exists()):
            return
        if self.recordings.read_text("utf-8", "surrogateescape") != table:
            raise self._another("the data have changed")

    def _stored(self) -> Mapping[str, Any]:
        return tomllib.loads(self.config_file.read_text(encoding="utf-8"))

    def _another(self, why: str) -> TrainingError:
        return TrainingError(f"{self.path}: holds another study ({why}); choose another folder")

    def open(self, config: Config, table: str) -> None:
        """Writes what identifies the study.

        Args:
            config: All settings, the search space written out.
            table: Text of ``recordings.csv``.
        """
        for folder in (self.trials, self.workers):
            folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.config_file, _MARK + config.to_toml())
        write_whole(self.recordings, table)

    def write_table(self, rows: Iterable[Sequence[Any]]) -> None:
        """Writes ``trials.csv``.

        Args:
            rows: The headings, and a row a trial.
        """
        write_whole(self.table, "".join(csv_lines(rows)))

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
