"""The study folder: its files, and whether it may be written to."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.config import Config
from earmark.errors import ConfigError, TrainingError
from earmark.models.work_folder import WorkFolder, checksum_rows, digest_teachers, sources
from earmark.system.files import atomic_write, csv_lines, read_text


@dataclass(frozen=True)
class StudyFolder(WorkFolder):
    """A folder that `tune` fills.

    ::

        config.toml         all settings and the search space; its first line marks it as earmark's
        choices.json        which settings were given, and which were chosen, with reasons
        fingerprint.json    what the rules chose them from, if they did
        recordings.csv      every recording of training and validation, with its content hash
        teachers.csv        the teachers of its trials and hashes of their weights, if any
        journal.log         Optuna's journal of the trials
        database.json       in place of it, which database keeps the trials
        trials.csv          a row a trial
        best.toml           all settings of the best trial
        trials/NNNN/        run folders: of the best trial, and of those in training
        workers/            a locked file for each running worker
        history.png, importance.png, parallel.png

    Args:
        path: The folder; it need not exist.
    """

    kind = "study"
    mark = "# The settings of an earmark study; `earmark tune` goes on from this folder.\n"
    remedy = "choose another folder"

    @property
    def journal(self) -> Path:
        """Optuna's journal of the trials."""
        return self.path / "journal.log"

    @property
    def database(self) -> Path:
        """Which database keeps the trials, in place of the journal."""
        return self.path / "database.json"

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
        """Holds the run folders of the trials."""
        return self.path / "trials"

    @property
    def workers(self) -> Path:
        """Holds a locked file for each running worker."""
        return self.path / "workers"

    def run(self, number: int) -> Path:
        """The run folder of a trial."""
        return self.trials / f"{number:04d}"

    @property
    def holds_results(self) -> bool:
        """Whether a study has begun here, which the same command continues."""
        return self.is_ours

    def _files(self) -> tuple[Path, ...]:
        return (*super()._files(), self.journal, self.database, self.table, self.best)

    def refuse_misuse(self, config: Config, data: Path | None) -> None:
        """Checks, before any work, that the folder may be written to.

        Args:
            config: Settings of the new study, with the search space written out.
            data: The data folder, if there is one.

        Raises:
            TrainingError: It lies in the data folder, or holds files of others, a teacher or
                another study.
        """
        self.refuse_place(config, data)
        if self.is_ours:
            ours, stored = config.to_dict(), self.read_settings()
            self._refuse_other_settings(_identity(ours), _identity(stored))

    def refuse_other_data(self, table: str, teachers: Sequence[str]) -> None:
        """Checks that a study in the folder has the same recordings and teachers.

        Raises:
            TrainingError: It has others.
        """
        if self.is_ours:
            self._refuse_other_work(table, teachers)

    def create(self) -> None:
        """Makes the folders, so that there is a place for locks."""
        for folder in (self.trials, self.workers):
            folder.mkdir(parents=True, exist_ok=True)

    def open(self, config: Config, table: str) -> None:
        """Writes the files that identify the study.

        Args:
            config: All settings, with the search space written out.
            table: Text of ``recordings.csv``.
        """
        self.create()
        self._identify(config, table, config.train.teachers)

    def identity(self, config: Config) -> dict[str, Any]:
        """What tells the study in this folder from others, wherever its trials are kept.

        Args:
            config: All settings, with the search space written out.
        """
        return {
            "settings": _identity(config.to_dict()),
            "recordings": checksum_rows(read_text(self.recordings)),
            "teachers": digest_teachers(sources(config)),
        }

    def refuse_other_identity(
        self, place: str, ours: Mapping[str, Any], stored: Mapping[str, Any]
    ) -> None:
        """Refuses to go on with a study that began in another folder, if it is another one.

        Args:
            place: Where it was found.
            ours: The `identity` of the study in this folder.
            stored: That of the study that was found.

        Raises:
            TrainingError: They differ.
        """
        here = json.loads(json.dumps(ours))
        self._refuse_other_settings(here["settings"], stored["settings"])
        names = [name for name in here if here[name] != stored[name]]
        if names:
            raise TrainingError(
                f"{self.path}: {place} holds another study of this name (its {names[0]} differ); "
                "choose a folder of another name"
            )

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
                f"{self.path}: no study with a complete trial; run earmark tune first"
            )
        return self.best


def _identity(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings without the number of trials, which may grow."""
    tune = {key: value for key, value in table["tune"].items() if key != "trials"}
    return {**table, "tune": tune}
