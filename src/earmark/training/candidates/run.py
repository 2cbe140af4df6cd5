"""A search by budget: candidates are trained, the best are averaged and teach one network."""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from earmark.config import Config
from earmark.config.layers import complete
from earmark.data.preparation import prepare_once
from earmark.errors import TrainingError
from earmark.features.store import FeatureStore
from earmark.models.run_folder import RunFolder
from earmark.system.checksums import checksum
from earmark.tasks.task import MULTI_LABEL
from earmark.training.candidates.budget import (
    CANDIDATES_FRACTION,
    affords,
    has_time_to_refit,
)
from earmark.training.candidates.candidates import (
    RULES,
    Candidate,
    list_candidates,
    with_variation,
)
from earmark.training.candidates.choice import Validated, choose_members, choose_settings
from earmark.training.candidates.jobs import CandidateJob, read_validated, run_jobs
from earmark.training.candidates.record import (
    FAILED,
    SKIPPED,
    TRAINED,
    Outcome,
    Search,
    Selection,
    read_search,
    write_search,
)
from earmark.training.fitting import Execution, Labelled, first_training
from earmark.training.head_start import most_threads
from earmark.training.recipes.configure import Configured
from earmark.training.recipes.draft import Choice

logger = logging.getLogger(__name__)


def search(
    data: Labelled, run: RunFolder, configured: Configured, execution: Execution
) -> Configured:
    """The settings of the final network, after what has taught it was trained.

    Args:
        data: What to train on; test recordings are not looked at.
        run: The run folder of the final network, which gets ``candidates.json`` first.
        configured: What the rules chose.
        execution: Where and how. An interrupted search resumes.

    Raises:
        EarmarkError: As `train` does.
        TrainingError: The folder holds a search on other data or with other settings.
    """
    step = _Step(data, run, configured, execution)
    found = step.open()
    if found.choice is None:
        found = step.train_candidates(found)
        found = step.choose(found)
    assert found.choice is not None
    for line in found.table():
        logger.info(line)
    step.refit_teachers(found)
    return step.settle(found.choice, found)


def remove_search(run: RunFolder) -> None:
    """Removes what a search left in a run folder.

    Args:
        run: The run folder.
    """
    run.search.unlink(missing_ok=True)
    for folder in sorted(run.candidates.glob("*")):
        if RunFolder(folder).is_ours or RunFolder(folder).held_out.is_ours:
            shutil.rmtree(folder)


@dataclass(frozen=True)
class _Step:
    """What all steps of a search need, as in `search`."""

    data: Labelled
    run: RunFolder
    configured: Configured
    execution: Execution

    @property
    def _config(self) -> Config:
        return self.configured.config

    def _candidates(self) -> list[Candidate]:
        num_outputs = self.data.task.num_outputs(len(self.data.manifest.labels))
        return list_candidates(self._config, self.configured.given, num_outputs)

    def open(self) -> Search:
        """The search in the folder, or a new one; the features of all candidates are computed."""
        digest = self._prepare()
        identity = {"settings": self._config.to_dict(), "data": digest}
        found = read_search(self.run)
        if found is None:
            minutes = self._config.recipe.minutes or 0.0
            found = Search(minutes, self._num_workers(), identity=identity)
            write_search(self.run, found)
        if found.identity != identity:
            raise TrainingError(
                f"{self.run.path}: holds a search with other settings or on other data; "
                f"{self.run.remedy}"
            )
        return found

    def _num_workers(self) -> int:
        """As many as this process may use threads, so that a worker starts no others."""
        if self.execution.runtime.device.type != "cpu":
            return 1
        return most_threads(has_two_trainings=False)

    def _prepare(self) -> str:
        """A checksum of the training and validation recordings, once their features are there."""
        manifest, runtime = self.data.manifest, self.execution.runtime
        recordings = (*manifest.split("train"), *manifest.split("validation"))
        front_ends = [with_variation(self._config, one.settings) for one in self._candidates()]
        rows = ""
        for features in dict.fromkeys(one.features for one in front_ends):
            prepared = prepare_once(
                recordings, FeatureStore(self.execution.store, features), runtime
            )
            rows = rows or "".join(
                f"{one.name}\t{one.split}\t{one.labels}\t{prepared.keys.get(one.name)}\n"
                for one in recordings
            )
        return f"{checksum(rows.encode()):016x}"

    def _folder(self, name: str) -> RunFolder:
        return RunFolder(self.run.candidates / name)

    def _job(self, candidate: Candidate, *, whole: bool) -> CandidateJob:
        """A training of a candidate: the first one alone, or with the refit if there is one."""
        config = _without_limit(with_variation(self._config, candidate.settings))
        folder = self._folder(candidate.name)
        if config.train.refit and not whole:
            config, folder = first_training(config), folder.held_out
        return CandidateJob(
            candidate,
            self.data.given,
            config,
            folder,
            str(self.execution.runtime.device),
            self.execution.store,
        )

    def train_candidates(self, found: Search) -> Search:
        """Trains the candidates that there is time for; each outcome is written at once."""
        candidates = self._candidates()
        left = [one for one in candidates if found.find(one) is None]
        logger.info(
            f"search: {len(candidates)} candidates, in about "
            f"{CANDIDATES_FRACTION * found.minutes:g} of {found.minutes:g} minutes"
        )

        def has_time(candidate: Candidate, running: Sequence[Candidate]) -> bool:
            return affords(found, candidate, running)

        jobs = [self._job(one, whole=False) for one in left]
        with self.execution.runtime.reporter.track("candidates", len(candidates)) as progress:
            progress.advance(len(candidates) - len(left))
            for outcome in run_jobs(jobs, found.num_workers, has_time):
                if outcome.name == RULES and outcome.state == FAILED:
                    raise TrainingError(f"{self.run.path}: {outcome.error}")
                found = found.with_outcome(outcome)
                write_search(self.run, found)
                _log(outcome)
                progress.advance(note=outcome.name)
        ended = {one.name: one for one in found.outcomes}
        outcomes = [ended.get(one.name, Outcome(one, SKIPPED)) for one in candidates]
        return replace(found, outcomes=tuple(outcomes))

    def choose(self, found: Search) -> Search:
        """Chooses by the validation clips, and writes it."""
        trained = found.trained()
        validated = self._validated(trained)
        fitting = {name: one for name, one in validated.items() if self._fits(trained[name])}
        # Where nothing that was trained fits, the settings are the rules', with fewer parameters.
        student = trained[choose_settings(fitting) if fitting else RULES]
        features = _features_of(student.candidate)
        alike = [name for name in validated if _features_of(trained[name].candidate) == features]
        ensemble = choose_members({name: validated[name] for name in alike})
        choice = Selection(
            members=ensemble.members,
            loss=ensemble.loss,
            student=dict(student.candidate.settings),
            student_name=student.name,
            are_teachers=not fitting or ensemble.members != (student.name,),
        )
        if choice.are_teachers and self._config.train.refit:
            in_time = has_time_to_refit(found, choice, student, self._config.train.epochs)
            choice = replace(choice, refits_teachers=in_time)
        found = replace(found, choice=choice)
        write_search(self.run, found)
        return found

    def _validated(self, trained: Mapping[str, Outcome]) -> dict[str, Validated]:
        """The predictions of validation clips by name, in the order of the candidates."""
        found: dict[str, Validated] = {}
        for name, outcome in trained.items():
            run = self._job(outcome.candidate, whole=False).run
            validated = read_validated(
                run.path,
                self.data.manifest.labels,
                is_multi_label=self.data.task is MULTI_LABEL,
            )
            if validated is not None:
                found[name] = validated
        return found

    def _fits(self, outcome: Outcome) -> bool:
        limit = self._config.recipe.parameters
        return limit is None or outcome.num_parameters <= limit

    def refit_teachers(self, found: Search) -> None:
        """Trains the members anew on all clips, where they are to teach the last training."""
        choice = found.choice
        if choice is None or not choice.refits_teachers:
            return
        trained = found.trained()
        jobs = [self._job(trained[one].candidate, whole=True) for one in choice.members]
        workers = min(found.num_workers, len(jobs))
        with self.execution.runtime.reporter.track("teachers", len(jobs)) as progress:
            for outcome in run_jobs(jobs, workers, lambda candidate, running: True):
                if outcome.state != TRAINED:
                    raise TrainingError(f"{self._folder(outcome.name).path}: {outcome.error}")
                progress.advance(note=outcome.name)

    def settle(self, choice: Selection, found: Search) -> Configured:
        """The settings of the final network, with the reasons."""
        settings: dict[str, Any] = dict(choice.student)
        reasons = dict.fromkeys(settings, f"As the candidate {choice.student_name}.")
        if choice.are_teachers:
            runs = [self._folder(name) for name in choice.members]
            first_only = self._config.train.refit and not choice.refits_teachers
            settings["train.teachers"] = [
                str(one.held_out.path if first_only else one.path) for one in runs
            ]
            reasons["train.teachers"] = (
                f"Their mean has a validation loss of {choice.loss:.4f}; the best one alone "
                f"{found.trained()[choice.members[0]].loss:.4f}."
            )
        choices = [one for one in self.configured.choices if one.setting not in settings]
        choices += [Choice(key, settings[key], reasons[key]) for key in settings]
        config = complete(with_variation(self._config, settings))
        logger.info(_describe(choice))
        return replace(self.configured, config=config, choices=tuple(choices))


def _without_limit(config: Config) -> Config:
    """The settings of a teacher, which may be larger than the final network."""
    recipe = config.recipe.model_copy(update={"parameters": None})
    return config.model_copy(update={"recipe": recipe})


def _features_of(candidate: Candidate) -> dict[str, Any]:
    """The settings of a candidate that make its features others than those of the rules."""
    return {key: value for key, value in candidate.settings.items() if key.startswith("features.")}


def _log(outcome: Outcome) -> None:
    if outcome.loss is None:
        logger.warning(f"candidate {outcome.name}: {outcome.error or outcome.state}")
    else:
        logger.info(
            f"candidate {outcome.name}  val_loss {outcome.loss:.4f}  {outcome.minutes:.1f} minutes"
        )


def _describe(choice: Selection) -> str:
    if not choice.are_teachers:
        return f"search: the settings of {choice.student_name}"
    names = " and ".join(choice.members)
    verb = "teaches" if len(choice.members) == 1 else "teach"
    return f"search: {names} {verb} a network with the settings of {choice.student_name}"
