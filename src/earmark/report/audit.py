"""The audit as one HTML page."""

from collections import defaultdict
from collections.abc import Sequence
from html import escape
from pathlib import Path

from earmark.audit.findings import Audit, Finding
from earmark.report.html import html_table, render_page, write_page


def write_audit(path: Path, audit: Audit, data: str) -> None:
    """Writes the page.

    Args:
        path: The file.
        audit: What was found.
        data: What was checked, as its user calls it.
    """
    title = f"{data}: data audit"
    warnings = len(audit.findings) - audit.num_errors
    labels = [tuple(_cell(value) for value in row.values()) for row in audit.labels]
    columns = ("label", "split", "clips", "groups", "seconds")
    sections = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="headline"><strong>{audit.num_errors}</strong> '
        f"{_plural('error', audit.num_errors)} and {warnings} {_plural('warning', warnings)} in "
        f"{audit.num_files} recordings.</p>",
        "<h2>Findings</h2>",
        _by_kind(audit.findings) or "<p>None.</p>",
        f"<h2>Notes</h2>{_listed(audit.notes)}" if audit.notes else "",
        "<h2>Labels</h2>",
        html_table(columns, labels),
    ]
    write_page(path, render_page(title, sections))


def _by_kind(findings: Sequence[Finding]) -> str:
    """A heading a kind, errors first, and what is to be done."""
    kinds: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for one in sorted(findings, key=lambda one: one.severity != "error"):
        kinds[one.kind.replace("_", " "), one.severity].append(one)
    return "".join(
        f"<h3>{kind}: {len(ones)} {_plural(severity, len(ones))}</h3>{_listed(ones)}"
        for (kind, severity), ones in kinds.items()
    )


def _plural(word: str, number: int) -> str:
    return word if number == 1 else f"{word}s"


def _cell(value: object) -> object:
    """A value of the table: seconds to a tenth, and a dash for nothing."""
    if value is None:
        return "-"
    return f"{value:.1f}" if isinstance(value, float) else value


def _listed(findings: Sequence[Finding]) -> str:
    return f"<ul>{''.join(f'<li>{escape(one.message)}</li>' for one in findings)}</ul>"
