"""What run, study and cross-validation folders have in common: owner, settings and data."""

import csv
import io
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from earmark.config import Config, add_settings, rename_settings
from earmark.config.renamed import BEFORE_RECIPES
from earmark.errors import ConfigError, DataError, TrainingError
from earmark.models.remote_model import WEIGHTS, local_model
from earmark.system.checksums import checksum
from earmark.system.files import atomic_write, csv_lines, read_text
from earmark.system.hashing import content_hash

CANDIDATES = "candidates"
"""The folder with what a search compared, of which some teach the model of the run."""
_CHECKSUM_LINE = "# {} has the checksum "
"""Begin of the lines of ``config.toml`` about tables; the first is that of ``recordings.csv``."""


@dataclass(frozen=True)
class WorkFolder:
    """A folder that one command fills.

    ::

        config.toml         all settings; its first line marks the folder as earmark's
        choices.json        which settings were given, and which were chosen, with reasons
        fingerprint.json    what the rules chose them from
        recordings.csv      the recordings that the work is done on
        teachers.csv        digests of the weights of teachers and of what it starts from, if any

    Args:
        path: The folder; it need not exist.
    """

    kind: ClassVar[str]
    mark: ClassVar[str]
    remedy: ClassVar[str] = "choose another folder, or give --overwrite to start again"
    other_data: ClassVar[str] = "the data differ in recordings, labels, splits or groups"

    path: Path

    @property
    def config_file(self) -> Path:
        """All settings."""
        return self.path / "config.toml"

    @property
    def recordings(self) -> Path:
        """The table of recordings."""
        return self.path / "recordings.csv"

    @property
    def teachers(self) -> Path:
        """The table of teachers with digests of their weights."""
        return self.path / "teachers.csv"

    @property
    def choices(self) -> Path:
        """The settings that were given, and those that rules chose, with their reasons."""
        return self.path / "choices.json"

    @property
    def fingerprint(self) -> Path:
        """The fingerprint of the data, which the rules chose settings by."""
        return self.path / "fingerprint.json"

    @property
    def is_ours(self) -> bool:
        """Whether earmark made the folder, for work of this kind."""
        try:
            return self.config_file.read_text(encoding="utf-8").startswith(self.mark)
        except (OSError, UnicodeDecodeError):
            return False

    @property
    def holds_results(self) -> bool:
        """Whether work has begun here that the same command continues."""
        raise NotImplementedError

    def _files(self) -> tuple[Path, ...]:
        """What the work writes first, and what it leaves."""
        return (self.config_file, self.recordings)

    def refuse_place(self, config: Config, data: Path | None) -> None:
        """Checks, before anything is measured, that no files of others would be lost or changed.

        Args:
            config: Settings of the work that wants the folder.
            data: The data folder, if there is one.

        Raises:
            TrainingError: The folder lies in the data, or holds foreign files or a teacher.
        """
        place = self.path.resolve()
        if data is not None and place.is_relative_to(data.resolve()):
            raise TrainingError(f"{self.path}: lies in the data folder; choose one outside of it")
        if not self.is_ours and any(file.exists() for file in (self.teachers, *self._files())):
            raise TrainingError(
                f"{self.path}: holds files, but not those of a {self.kind}; choose another folder"
            )
        inside = [
            one
            for one in sources(config)
            if Path(one).resolve().is_relative_to(place)
            and not Path(one).resolve().is_relative_to(place / CANDIDATES)
        ]
        if inside:
            raise TrainingError(
                f"{self.path}: holds {inside[0]}, which the training learns from; choose another "
                "folder"
            )

    def _refuse_other_work(self, table: str, teachers: Sequence[str]) -> None:
        """Checks that the work in the folder began with the same recordings and teachers.

        Args:
            table: Text of ``recordings.csv``.
            teachers: Run folders or files with weights.

        Raises:
            TrainingError: It did not.
        """
        if not _are_same(_read(self.recordings), table):
            raise self._another(self.other_data)
        if self.recordings.exists() and _read(self.teachers) != digest_teachers(teachers):
            raise self._another("the models that it learns from have changed")

    def read_recordings(self) -> list[dict[str, str]]:
        """The rows of ``recordings.csv``.

        Raises:
            DataError: They are not those that were written; a folder of an earlier version is not
                checked.
        """
        return self._read_table(self.recordings)

    def _find_checksum(self, file: Path) -> str:
        """The checksum of a table; empty if there is none."""
        begin = _CHECKSUM_LINE.format(file.name)
        lines = _read(self.config_file).splitlines()
        return next((line for line in lines if line.startswith(begin)), "").removeprefix(begin)

    def _read_table(self, file: Path) -> list[dict[str, str]]:
        table, expected = read_text(file), self._find_checksum(file)
        rows: list[dict[str, str]] = []
        try:
            rows = list(csv.DictReader(io.StringIO(table, newline="")))
            is_whole = expected in ("", checksum_rows(table))
        except (ValueError, csv.Error):
            rows, is_whole = [], False
        if not rows or not is_whole:
            raise DataError(f"{file}: damaged or edited; restore it, or train again")
        return rows

    def read_settings(self) -> dict[str, Any]:
        """The tables of ``config.toml``, under the names of today."""
        table = tomllib.loads(self.config_file.read_text(encoding="utf-8"))
        return {**BEFORE_RECIPES, **add_settings(rename_settings(table))}

    def read_choices(self) -> dict[str, Any] | None:
        """What `write_choices` wrote; None in a folder of an earlier version.

        Raises:
            TrainingError: The file is damaged.
        """
        try:
            document = json.loads(read_text(self.choices))
            keys = ("setting", "value", "reason")
            choices = [{key: one[key] for key in keys} for one in document["choices"]]
            return {**document, "given": sorted(document["given"]), "choices": choices}
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise TrainingError(f"{self.choices}: damaged; {self.remedy}") from None

    def write_choices(self, document: Mapping[str, Any]) -> None:
        """Writes ``choices.json``.

        Args:
            document: What `Configured.to_dict` gives.
        """
        atomic_write(self.choices, json.dumps(document, indent=1) + "\n")

    def write_fingerprint(self, document: Mapping[str, Any]) -> None:
        """Writes ``fingerprint.json``.

        Args:
            document: What `DataFingerprint.to_dict` gives.
        """
        atomic_write(self.fingerprint, json.dumps(document, indent=2) + "\n")

    def _refuse_other_settings(self, ours: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
        """Checks that two tables of settings are equal.

        Raises:
            TrainingError: They are not; the message names the first settings that differ.
        """
        ours, stored = _flatten(ours), _flatten(stored)
        names = sorted(one for one in ours | stored if ours.get(one) != stored.get(one))
        if names:
            listed = ", ".join(
                f"{one} is {stored.get(one)} there and {ours.get(one)} here" for one in names[:3]
            )
            raise self._another(f"settings differ: {listed}")

    def _another(self, why: str) -> TrainingError:
        return TrainingError(f"{self.path}: holds another {self.kind} ({why}); {self.remedy}")

    def _identify(
        self,
        config: Config,
        table: str,
        teachers: Sequence[str],
        more: Mapping[Path, str] = MappingProxyType({}),
    ) -> None:
        """Writes the settings, teachers and recordings that identify this work, and more tables.

        The recordings come last: where they are missing, nothing is compared.
        """
        digests = digest_teachers(teachers)
        lines = "".join(
            f"{_CHECKSUM_LINE.format(name)}{checksum_rows(text)}\n"
            for name, text in {
                self.recordings.name: table,
                **{file.name: text for file, text in more.items()},
            }.items()
        )
        atomic_write(self.config_file, self.mark + lines + config.to_toml())
        if digests:
            atomic_write(self.teachers, digests)
        else:
            self.teachers.unlink(missing_ok=True)
        for file, text in more.items():
            atomic_write(file, text)
        atomic_write(self.recordings, table)


def sources(config: Config) -> tuple[str, ...]:
    """The models that a training learns from: its teachers, and what it starts from.

    Args:
        config: All settings.
    """
    start = config.train.start_from
    return (*config.train.teachers, *(() if start is None else (start,)))


def source_weights(name: str, setting: str = "train.teachers") -> Path:
    """The file with the weights of a model that a training learns from.

    Args:
        name: A run folder, or the file itself.
        setting: Where it is named.

    Raises:
        ConfigError: It does not exist.
    """
    path = local_model(Path(name))
    file = path / WEIGHTS if path.is_dir() else path
    if not file.is_file():
        what = f"holds no {WEIGHTS}" if path.is_dir() else "no such run folder"
        raise ConfigError(f"{setting}: {name}: {what}; give the run folder of a trained model")
    return file


def _flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted path of each setting to its value."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        nested = isinstance(value, Mapping)
        flat |= _flatten(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return flat


def _are_same(stored: str, table: str) -> bool:
    """Whether two tables list the same recordings, wherever their files lie; also if none is."""
    return stored in ("", table) or _without_paths(stored) == _without_paths(table)


def _without_paths(table: str) -> list[list[str]]:
    rows = list(csv.reader(io.StringIO(table, newline="")))
    columns = rows[0] if rows else []
    return [
        [cell for column, cell in zip(columns, row, strict=False) if column != "path"]
        for row in rows
    ]


def checksum_rows(table: str) -> str:
    """The checksum of the cells of a table, whatever its line ends and wherever its files lie.

    Args:
        table: Text of ``recordings.csv``.
    """
    return f"{checksum(json.dumps(_without_paths(table)).encode()):016x}"


def _read(path: Path) -> str:
    try:
        return read_text(path)
    except FileNotFoundError:
        return ""


def digest_teachers(teachers: Sequence[str]) -> str:
    """The text of ``teachers.csv``; empty without teachers.

    Args:
        teachers: Run folders or files with weights.
    """
    if not teachers:
        return ""
    rows = [(name, content_hash(source_weights(name))) for name in teachers]
    return "".join(csv_lines([("teacher", "digest"), *rows]))
