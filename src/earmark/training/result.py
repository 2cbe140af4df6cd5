"""What a training gives."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.errors import FailedFile
from earmark.evaluation.baselines import ClassicalComparison
from earmark.models.run_folder import RunFolder
from earmark.system.numbers import counted
from earmark.training.candidates.record import Search
from earmark.training.recipes.draft import Choice

if TYPE_CHECKING:
    from earmark.inference.classifier import Classifier
    from earmark.report.evaluate import TestReport
    from earmark.system.runtime import Runtime


@dataclass(frozen=True)
class TrainingResult:
    """A trained network in its run folder.

    Args:
        run: The run folder.
        data: The data set that it was trained on, as it was read.
        best_epoch: Epoch of the weights that are kept, counted from 1.
        epochs: Number of epochs that were trained.
        stopped_early: Whether patience ran out before ``train.epochs``.
        validation: Metrics of the best epoch, after a refit of that of the first training; None
            without validation.
        num_parameters: Number of trainable parameters of the network.
        elapsed_seconds: Time spent in the epochs of all trainings, interrupted ones as well.
        skipped: Recordings that could not be used.
        held_out: The first training, whose validation was held out, where this is the refit.
        recipe: Name of the recipe.
        choices: What was chosen from the data, with reasons.
        classical: The network compared with a classical model on the validation clips, where
            ``evaluate.baseline`` asks for it.
        candidates: What a search before the training compared, if there was one.
        start: The run whose weights it started from, and which labels are new, if there was one.
    """

    run: Path
    data: Path
    best_epoch: int
    epochs: int
    stopped_early: bool
    validation: dict[str, Any] | None
    num_parameters: int
    elapsed_seconds: float
    skipped: tuple[FailedFile, ...] = ()
    held_out: "TrainingResult | None" = None
    recipe: str = "classic"
    choices: tuple[Choice, ...] = ()
    classical: ClassicalComparison | None = None
    candidates: Search | None = None
    start: dict[str, Any] | None = None

    def evaluate(
        self,
        *,
        output: Path | str | None = None,
        device: "str | Runtime" = "auto",
        store: Path | str | None = None,
        settings: Sequence[str] = (),
    ) -> "TestReport":
        """Tests the network on the test split of its data, as `earmark.evaluate` does.

        Args:
            output: Folder of the report; the run folder by default.
            device: Where to compute.
            store: Folder of the feature store; the shared one by default.
            settings: Each ``section.key=value``, for settings that may change after training.
        """
        import earmark

        return earmark.evaluate(
            self.run, self.data, output=output, device=device, store=store, settings=settings
        )

    def classifier(self, *, device: str = "auto") -> "Classifier":
        """The network, ready to predict.

        Args:
            device: Where to compute.
        """
        from earmark.inference.classifier import Classifier

        return Classifier.load(self.run, device=device)

    def summary(self) -> str:
        """Size of the network, the best epoch and its metrics, in one line."""
        network = f"{self.num_parameters:,} parameters"
        metrics = self.validation
        if metrics is None:
            return f"{network}, {self.epochs} epochs without validation"
        first = self.held_out or self
        epochs = counted(self.epochs, "epoch")
        refit = f"; then the refit, {epochs} with these clips too" if self.held_out else ""
        searched = "; optimistic, as they chose in the search" if self.candidates else ""
        return (
            f"{network}, best epoch {first.best_epoch} of {first.epochs}: validation loss "
            f"{metrics['loss']:.4f}, accuracy {metrics['accuracy']:.1%} "
            f"({metrics['num_correct']} of {metrics['num_clips']}){searched}{refit}"
        )

    def to_dict(self) -> dict[str, Any]:
        """What ``train --json`` prints."""
        left_out = ("data", "choices", "classical", "candidates", "start")
        table = {key: value for key, value in asdict(self).items() if key not in left_out}
        classical = {"classical": self.classical.to_dict()} if self.classical else {}
        candidates = {"candidates": self.candidates.to_dict()} if self.candidates else {}
        start = {"start": self.start} if self.start else {}
        documents = {
            "run": str(self.run),
            "skipped": [one.to_dict() for one in self.skipped],
            "held_out": self.held_out.to_dict() if self.held_out else None,
            "recipe": {
                "name": self.recipe,
                "choices": [one.to_dict() for one in self.choices],
            },
        }
        return {**table, **documents, **classical, **candidates, **start}

    def __repr__(self) -> str:
        return f"TrainingResult({str(self.run)!r}: {self.summary()})"

    def _repr_html_(self) -> str:
        from html import escape

        from earmark.figures import to_svg
        from earmark.training.plots import draw_loss_curve

        log = RunFolder(self.run).read_log()
        curve = to_svg(draw_loss_curve(log, self.best_epoch)) if log else ""
        return f"<p>{escape(str(self.run))}: {escape(self.summary())}</p>{curve}"
