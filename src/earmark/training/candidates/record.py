"""What a search has found, and the file that it resumes from."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from earmark.errors import TrainingError
from earmark.models.run_folder import RunFolder
from earmark.system.files import atomic_write, read_text
from earmark.training.candidates.candidates import Candidate

TRAINED, FAILED, SKIPPED = "trained", "failed", "skipped"


@dataclass(frozen=True)
class Outcome:
    """What became of a candidate.

    Args:
        candidate: Its settings.
        state: ``trained``, ``failed`` or, without the time for it, ``skipped``.
        loss: Log-loss of the validation clips, with the temperature of the network.
        accuracy: On the validation clips.
        minutes: Time spent in its epochs.
        num_epochs: Epochs that were trained.
        num_parameters: Of its network.
        error: Why it failed.
    """

    candidate: Candidate
    state: str = TRAINED
    loss: float | None = None
    accuracy: float | None = None
    minutes: float = 0.0
    num_epochs: int = 0
    num_parameters: int = 0
    error: str = ""

    @property
    def name(self) -> str:
        """Of the candidate."""
        return self.candidate.name

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without those of a network that does not exist."""
        table = {**asdict(self.candidate), **asdict(self)}
        del table["candidate"]
        return table

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> "Outcome":
        """What `to_dict` gave."""
        keys = ("name", "reason", "settings", "cost")
        others = {key: value for key, value in table.items() if key not in keys}
        return cls(Candidate(*(table[key] for key in keys)), **others)


@dataclass(frozen=True)
class Selection:
    """What a search chose.

    Args:
        members: Names of the candidates whose mean is best; the best one first.
        loss: Log-loss of their mean on the validation clips.
        student: Settings of the final network that differ from the rules, by ``section.key``.
        student_name: Name of the candidate whose settings these are.
        are_teachers: Whether the members teach the final network, which is otherwise the one.
        refits_teachers: Whether they are trained anew on all clips before they teach the last
            training.
    """

    members: tuple[str, ...]
    loss: float
    student: Mapping[str, Any] = field(default_factory=dict)
    student_name: str = ""
    are_teachers: bool = False
    refits_teachers: bool = False

    def uses(self, name: str) -> str:
        """What of a candidate is in the final network, in words; empty if nothing is."""
        is_teacher = self.are_teachers and name in self.members
        uses = (("settings", name == self.student_name), ("teacher", is_teacher))
        return " and ".join(use for use, applies in uses if applies)

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> "Selection":
        """What JSON has made of it."""
        others = {key: value for key, value in table.items() if key != "members"}
        return cls(tuple(table["members"]), **others)


@dataclass(frozen=True)
class Search:
    """A search, as far as it has come.

    Args:
        minutes: Of the budget, for all trainings together.
        num_workers: Trainings at once.
        outcomes: Of the candidates that have ended.
        choice: None as long as candidates are trained.
        identity: The settings and data that it belongs to.
    """

    minutes: float
    num_workers: int
    outcomes: tuple[Outcome, ...] = ()
    choice: Selection | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)

    def find(self, candidate: Candidate) -> Outcome | None:
        """The outcome of a candidate; None if it has not ended."""
        return next((one for one in self.outcomes if one.candidate == candidate), None)

    def trained(self) -> dict[str, Outcome]:
        """Name to outcome of those that were trained."""
        return {one.name: one for one in self.outcomes if one.state == TRAINED}

    @property
    def spent_minutes(self) -> float:
        """Time that the trainings took, several at once."""
        return sum(one.minutes for one in self.outcomes) / self.num_workers

    def with_outcome(self, outcome: Outcome) -> "Search":
        """The search with one more outcome."""
        return replace(self, outcomes=(*self.outcomes, outcome))

    def to_dict(self) -> dict[str, Any]:
        """What ``train --json`` prints under ``candidates``."""
        return {
            "minutes": self.minutes,
            "num_workers": self.num_workers,
            "candidates": [
                {**one.to_dict(), "chosen": bool(self.choice and one.name in self.choice.members)}
                for one in self.outcomes
            ],
            "choice": None if self.choice is None else asdict(self.choice),
        }

    def table(self) -> list[str]:
        """A line a candidate: name, validation loss, accuracy, minutes, what of it is used."""
        lines = [f"{'candidate':10}{'val_loss':>10}{'val_accuracy':>14}{'minutes':>9}  used as"]
        for one in self.outcomes:
            if one.loss is None or one.accuracy is None:
                lines.append(f"{one.name:10}{one.state:>10}  {one.error}".rstrip())
                continue
            used = self.choice.uses(one.name) if self.choice else ""
            lines.append(
                f"{one.name:10}{one.loss:10.4f}{one.accuracy:14.1%}{one.minutes:9.1f}  {used:18}"
                f"{one.candidate.reason}"
            )
        return lines


def read_search(run: RunFolder) -> Search | None:
    """The search of a run folder; None where there was none.

    Args:
        run: The run folder.

    Raises:
        TrainingError: The file is damaged.
    """
    try:
        table = json.loads(read_text(run.search))
        outcomes = []
        for one in table["candidates"]:
            one.pop("chosen")
            outcomes.append(Outcome.from_dict(one))
        choice = None if table["choice"] is None else Selection.from_dict(table["choice"])
        return Search(
            *(table["minutes"], table["num_workers"], tuple(outcomes), choice, table["identity"])
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise TrainingError(f"{run.search}: damaged; {run.remedy}") from None


def write_search(run: RunFolder, search: Search) -> None:
    """Writes ``candidates.json``.

    Args:
        run: The run folder.
        search: As far as it has come.
    """
    document = {**search.to_dict(), "identity": search.identity}
    run.path.mkdir(parents=True, exist_ok=True)
    atomic_write(run.search, json.dumps(document, indent=1) + "\n")
