"""What an audit says."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Kind = Literal[
    "unreadable", "silent", "clipped", "dc_offset", "dead_channel", "header", "sample_rates",
    "duplicate", "near_duplicate", "excerpt", "missing_label", "few_groups", "unbalanced",
    "shortcut",
]  # fmt: skip
Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """Something about a data set that its user should know.

    Args:
        kind: In one word.
        severity: An error makes figures wrong or loses data; a warning may be meant; a note is no
            fault.
        paths: The recordings concerned.
        message: What is wrong and what to do about it.
        cause: Of what is unreadable, in one word: the `fault` of its error.
    """

    kind: Kind
    severity: Severity
    paths: tuple[str, ...]
    message: str
    cause: str | None = None


@dataclass(frozen=True)
class Audit:
    """What `check` found.

    Args:
        num_files: Recordings looked at.
        findings: Errors and warnings.
        notes: What is no fault.
        labels: A row a label and split: ``label``, ``split``, ``num_clips``, ``num_groups``,
            ``duration_seconds``.
    """

    num_files: int
    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...] = ()
    labels: tuple[dict[str, Any], ...] = field(default=())

    @property
    def num_errors(self) -> int:
        """Number of findings that are errors."""
        return sum(finding.severity == "error" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """What ``check --json`` prints."""
        return {
            "num_files": self.num_files,
            "num_errors": self.num_errors,
            "num_warnings": len(self.findings) - self.num_errors,
            "findings": [asdict(finding) for finding in self.findings],
            "notes": [asdict(note) for note in self.notes],
            "labels": list(self.labels),
        }
