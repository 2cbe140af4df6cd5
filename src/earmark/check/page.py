"""The audit as one HTML page."""

from html import escape
from pathlib import Path

from earmark.check.findings import Audit
from earmark.page import html_table, render_page, write_page


def write_audit(path: Path, audit: Audit, data: str) -> None:
    """Writes the page.

    Args:
        path: The file.
        audit: What was found.
        data: What was checked, as its user calls it.
    """
    title = f"{data}: data audit"
    warnings = len(audit.findings) - audit.num_errors
    found = [(one.severity, one.kind, one.message) for one in audit.findings]
    notes = "".join(f"<li>{escape(one.message)}</li>" for one in audit.notes)
    labels = [tuple("-" if cell is None else cell for cell in row.values()) for row in audit.labels]
    columns = ("label", "split", "clips", "groups", "seconds")
    sections = [
        f"<h1>{escape(title)}</h1>",
        f'<div class="headline"><strong>{audit.num_errors}</strong> errors and {warnings} '
        f"warnings in {audit.num_files} recordings.</div>",
        "<h2>Findings</h2>",
        html_table(("severity", "kind", "what to do"), found) if found else "<p>None.</p>",
        f"<h2>Notes</h2><ul>{notes}</ul>" if notes else "",
        "<h2>Labels</h2>",
        html_table(columns, labels),
    ]
    write_page(path, render_page(title, sections))
