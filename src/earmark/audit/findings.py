"""The result of an audit."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from earmark.data.fingerprint import DataFingerprint
from earmark.data.recording import Recording
from earmark.errors import AudioFault
from earmark.system.notebook import html_lines, html_table
from earmark.system.numbers import counted

FindingType = Literal[
    "unreadable",
    "silent",
    "clipped",
    "dc_offset",
    "dead_channel",
    "header",
    "sample_rates",
    "duplicate",
    "near_duplicate",
    "excerpt",
    "missing_label",
    "few_groups",
    "likely_groups",
    "unbalanced",
    "shortcut",
    "unclosed",
    "joined",
    "rate_change",
    "channel_change",
    "gap",
    "overlap",
    "lost_sound",
    "unread_sound",
    "time_stamps",
    "other_tracks",
    "out_of_phase",
    "unused_bits",
    "bandwidth",
    "similar_names",
    "missing_value",
    "joined_labels",
    "wrong_label",
    "not_cross_validated",
    "changed_label",
]
Severity = Literal["error", "warning", "note"]
MAX_SHOWN = 20
"""Findings that the representation of an audit lists."""


@dataclass(frozen=True)
class Finding:
    """A problem of a data set, or a fact that its user should know.

    Args:
        kind: Its type.
        severity: An error makes metrics wrong or loses data; a warning may be intended; a note
            needs no action.
        paths: The names of the recordings.
        message: What is wrong and how to fix it.
        cause: The `AudioError.fault` of a file that is unreadable.
    """

    kind: FindingType
    severity: Severity
    paths: tuple[str, ...]
    message: str
    cause: AudioFault | None = None

    def __str__(self) -> str:
        return f"{self.severity} ({self.kind}): {self.message}"


@dataclass(frozen=True)
class LabelIssue:
    """A recording whose labels are probably wrong.

    Args:
        recording: The recording.
        label: Its labels, joined as in a manifest.
        predicted: The labels that it probably has, joined likewise.
        probability: Of the predicted label; in a multi-label task, that the most doubtful of its
            labels is wrong.
    """

    recording: Recording
    label: str
    predicted: str
    probability: float

    def to_dict(self) -> dict[str, Any]:
        """What ``check --json`` prints for it."""
        return {
            "path": self.recording.name,
            "label": self.label,
            "predicted": self.predicted,
            "probability": self.probability,
        }


@dataclass(frozen=True, repr=False)
class Audit:
    """The result of `check`.

    Args:
        num_files: Number of recordings.
        findings: Errors and warnings.
        notes: Findings that need no action.
        labels: For each label and split, a row of ``label``, ``split``, ``num_clips``,
            ``num_groups`` and ``duration_seconds``.
        fingerprint: What a training would know of the recordings outside the test split.
        label_issues: Recordings whose labels are probably wrong, the most probable first; None
            without a cross-validation to compare them with.

    Example:
        >>> Audit(2, (Finding("silent", "warning", ("a.wav",), "a.wav: silent"),))
        Audit of 2 recordings: 0 errors, 1 warning
          warning (silent): a.wav: silent
    """

    num_files: int
    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...] = ()
    labels: tuple[dict[str, Any], ...] = ()
    fingerprint: DataFingerprint | None = None
    label_issues: tuple[LabelIssue, ...] | None = None

    @property
    def num_errors(self) -> int:
        """Number of findings that are errors."""
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def num_warnings(self) -> int:
        """Number of findings that are warnings."""
        return len(self.findings) - self.num_errors

    @property
    def by_severity(self) -> tuple[Finding, ...]:
        """Errors, then warnings, then notes."""
        warnings = (one for one in self.findings if one.severity != "error")
        errors = (one for one in self.findings if one.severity == "error")
        return (*errors, *warnings, *self.notes)

    @property
    def headline(self) -> str:
        """One line with the number of recordings, errors and warnings."""
        counts = (
            counted(self.num_files, "recording"),
            counted(self.num_errors, "error"),
            counted(self.num_warnings, "warning"),
        )
        return "Audit of {}: {}, {}".format(*counts)

    def __repr__(self) -> str:
        shown = self.by_severity
        lines = [f"  {one}" for one in shown[:MAX_SHOWN]]
        more = [f"  and {len(shown) - MAX_SHOWN} more"] if len(shown) > MAX_SHOWN else []
        return "\n".join([self.headline, *lines, *more])

    def _repr_html_(self) -> str:
        shown = self.by_severity
        rows = [(one.severity, one.kind, one.message) for one in shown[:MAX_SHOWN]]
        more = f"and {len(shown) - MAX_SHOWN} more" if len(shown) > MAX_SHOWN else ""
        table = html_table(("severity", "kind", "message"), rows)
        return html_lines(self.headline) + table + html_lines(more)

    def to_dict(self) -> dict[str, Any]:
        """The document that ``check --json`` prints."""
        issues = self.label_issues
        return {
            "num_files": self.num_files,
            "num_errors": self.num_errors,
            "num_warnings": self.num_warnings,
            "findings": [asdict(finding) for finding in self.findings],
            "notes": [asdict(note) for note in self.notes],
            "labels": list(self.labels),
            "fingerprint": self.fingerprint and self.fingerprint.to_dict(),
            "label_issues": None if issues is None else [one.to_dict() for one in issues],
        }
