"""An answer to a clip, what is asked of it, and what the answers to a clip come to."""

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from earmark.audio.source import MIN_SECONDS, Excerpt
from earmark.data.names.spelling import Spellings
from earmark.errors import DataError

Verdict = Literal["labelled", "unsure", "skipped", "undone"]
MAX_LABELS = 1000
MAX_NAME = 500
"""Characters of a label."""


class Answer(BaseModel):
    """A person's answer to a clip.

    Args:
        id: Made by the page, so that one that is sent twice counts once.
        clip: Key of the clip.
        revision: How many answers to the clip the person had seen.
        verdict: ``undone`` takes back the answer before.
        labels: Of the clip, if it is labelled.
        start: Start of the labelled segment in the file, in seconds; that of the clip by default.
        end: Its end.
        replaces: Earlier answers of the same page, which this one may replace whatever the
            revision: those of a page that works alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Annotated[str, Field(pattern=r"^[\w-]{8,64}$")]
    clip: Annotated[str, Field(max_length=64)]
    revision: Annotated[int, Field(ge=0)]
    verdict: Verdict
    labels: Annotated[
        tuple[Annotated[str, Field(max_length=MAX_NAME)], ...], Field(max_length=MAX_LABELS)
    ] = ()
    start: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    end: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    replaces: tuple[str, ...] = ()

    def is_same_as(self, other: "Answer | None") -> bool:
        """Whether it has the verdict, labels and segment of another."""
        return other is not None and _content(self) == _content(other)

    def segment(self, excerpt: Excerpt) -> Excerpt:
        """The labelled segment of a clip.

        Args:
            excerpt: The clip, where the answer has no segment.
        """
        return excerpt if self.start is None else Excerpt(self.start, self.end)


def _content(answer: Answer) -> tuple[object, ...]:
    return answer.verdict, frozenset(answer.labels), answer.start, answer.end


def parse_answer(text: bytes | str) -> Answer:
    """An answer as JSON.

    Raises:
        DataError: It is none.
    """
    try:
        return Answer.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "answer"
        raise DataError(f"{where}: {first['msg']}") from None


def checked(answer: Answer, *, is_multi_label: bool) -> Answer:
    """An answer with its labels as manifests write them.

    Args:
        answer: As it came.
        is_multi_label: Whether any number of labels is right.

    Raises:
        DataError: Its labels or its segment cannot be those of a clip.

    Example:
        >>> checked(
        ...     Answer(id="12345678", clip="a", revision=0, verdict="labelled", labels=(" dog ",)),
        ...     is_multi_label=False,
        ... ).labels
        ('dog',)
    """
    spellings = Spellings()
    labels = tuple(spellings.read(one, "label", "answer") for one in answer.labels)
    if any(not one or ";" in one for one in labels):
        raise DataError("answer: a label is a text without ';', which separates labels")
    if answer.verdict == "labelled" and not is_multi_label and len(set(labels)) != 1:
        raise DataError(f"answer: {len(set(labels))} labels; give one")
    if answer.verdict != "labelled" and labels:
        raise DataError(f"answer: {answer.verdict} has no labels")
    if answer.start is None and answer.end is not None:
        raise DataError("answer: a segment has a start")
    if answer.start is not None:
        length = (math.inf if answer.end is None else answer.end) - answer.start
        if length < MIN_SECONDS:
            raise DataError(f"answer: a segment lasts {MIN_SECONDS} s or more")
    return answer.model_copy(update={"labels": tuple(sorted(set(labels)))})


@dataclass
class ClipState:
    """What the answers to a clip come to.

    Args:
        accepted: The answers that count, without those that were taken back; the last one holds.
        revision: How many were accepted, those that were taken back and ``undone`` included.
        conflicts: Answers to an earlier revision, since the last one that was accepted.
    """

    accepted: list[Answer] = field(default_factory=list)
    revision: int = 0
    conflicts: list[Answer] = field(default_factory=list)

    @property
    def current(self) -> Answer | None:
        """The answer that holds, if there is one."""
        return self.accepted[-1] if self.accepted else None

    def takes(self, answer: Answer) -> bool:
        """Whether an answer is to what the clip is now, so that it replaces what its author saw."""
        if answer.revision == self.revision:
            return True
        return self.current is not None and self.current.id in answer.replaces

    def add(self, answer: Answer, *, is_accepted: bool) -> None:
        """Adds an answer as it was decided.

        Args:
            answer: The answer.
            is_accepted: Whether it counts.
        """
        if not is_accepted:
            self.conflicts.append(answer)
            return
        self.revision += 1
        self.conflicts.clear()
        if answer.verdict != "undone":
            self.accepted.append(answer)
        elif self.accepted:
            self.accepted.pop()
