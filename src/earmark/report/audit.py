"""The HTML page of a data audit."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from earmark.audit.findings import Audit, Finding, FindingType, Severity
from earmark.data.fingerprint import DataFingerprint
from earmark.data.manifest import Manifest
from earmark.report.html import DASH, Section, Table, render, write_page
from earmark.report.label_issues import render_label_issues
from earmark.report.review import ReviewLinks, review_audit

_COLUMNS = {
    "label": "label",
    "split": "split",
    "num_clips": "clips",
    "num_groups": "groups",
    "duration_seconds": "seconds",
}

_TITLES: dict[FindingType, str] = {
    "unreadable": "Unreadable files",
    "silent": "Silence",
    "clipped": "Clipping",
    "dc_offset": "DC offset",
    "dead_channel": "Silent channels",
    "header": "Inconsistent headers",
    "unclosed": "Files that were not closed",
    "joined": "Joined recordings",
    "rate_change": "Changes of the sample rate",
    "channel_change": "Changes of the channels",
    "gap": "Gaps between time stamps",
    "overlap": "Overlapping time stamps",
    "lost_sound": "Lost sound",
    "unread_sound": "Sound that is not read",
    "time_stamps": "Damaged time stamps",
    "other_tracks": "Other audio tracks",
    "sample_rates": "Sample rates",
    "bandwidth": "Bandwidth",
    "out_of_phase": "Channels out of phase",
    "unused_bits": "Unused bits",
    "duplicate": "Duplicates",
    "near_duplicate": "Near-duplicates",
    "excerpt": "Shared excerpts",
    "missing_label": "Missing labels",
    "few_groups": "Few groups",
    "likely_groups": "Likely groups",
    "unbalanced": "Unbalanced labels",
    "shortcut": "Shortcuts",
    "similar_names": "Similar names",
    "missing_value": "Missing values",
    "joined_labels": "Joined labels",
    "wrong_label": "Wrong labels",
    "not_cross_validated": "Labels that were not compared",
    "changed_label": "Labels that have changed",
}


@dataclass(frozen=True)
class FindingGroup:
    """Findings of one type and severity."""

    type: FindingType
    severity: Severity
    findings: tuple[tuple[Finding, str | None], ...]
    """Each with the address of its recordings, where it has one."""

    @property
    def title(self) -> str:
        """The type in words."""
        return _TITLES[self.type]


def write_audit(path: Path, audit: Audit, data: str, manifest: Manifest | None = None) -> None:
    """Writes the page of an audit.

    Args:
        path: The file to write.
        audit: What `check` found.
        data: What was checked, as the user wrote it.
        manifest: The data. With them a second page, ``NAME.review.html``, has the recordings that
            are named, to listen to and to correct their labels.
    """
    beside = path.with_name(f"{path.stem}.review.html")
    review = review_audit(beside, audit, manifest) if manifest is not None else None
    write_page(path, render_audit(audit, data, review.links if review else None))
    if review:
        review.write()


def render_audit(audit: Audit, data: str, links: ReviewLinks | None = None) -> str:
    """The page as text; see `write_audit`."""
    findings = [one for one in audit.by_severity if one.severity != "note"]
    sections = [Section("Findings", _render_findings(findings, links))]
    if audit.label_issues is not None:
        sections.append(Section("Wrong labels", render_label_issues(audit.label_issues, links)))
    if audit.notes:
        sections.append(Section("Notes", _render_findings(audit.notes, links)))
    sections.append(Section("Labels", _render_labels(audit)))
    if audit.fingerprint and audit.fingerprint.num_clips:
        sections.append(Section("Fingerprint", _render_fingerprint(audit.fingerprint)))
    metrics = [
        ("Errors", str(audit.num_errors), "wrong metrics or lost data"),
        ("Warnings", str(audit.num_warnings), "may be intended"),
        ("Recordings", f"{audit.num_files:,}", "checked"),
    ]
    return render("audit.html", title=f"Data audit: {data}", metrics=metrics, sections=sections)


def _render_findings(findings: Sequence[Finding], links: ReviewLinks | None) -> Markup:
    """Findings by severity and type, in the order of the first of each."""
    groups: dict[tuple[FindingType, Severity], list[Finding]] = defaultdict(list)
    for one in findings:
        groups[one.kind, one.severity].append(one)
    rows = [
        FindingGroup(*key, tuple((one, _address(one, links)) for one in found))
        for key, found in groups.items()
    ]
    return render("findings.html", groups=rows)


def _address(finding: Finding, links: ReviewLinks | None) -> str | None:
    """Where the recordings of a finding can be listened to."""
    return links.to_finding(finding.message, finding.paths) if links else None


def _render_labels(audit: Audit) -> Markup:
    rows = [tuple(_cell(row[key]) for key in _COLUMNS) for row in audit.labels]
    return render("table.html", table=Table(tuple(_COLUMNS.values()), rows), num_more=0)


def _render_fingerprint(found: DataFingerprint) -> Markup:
    rows = [
        (title, *(format(one, form) for one in (spread.low, spread.median, spread.high)))
        for title, form, spread in (
            ("length of a clip, s", ".2f", found.duration_seconds),
            ("highest frequency with sound, Hz", ",.0f", found.reach_hz),
            ("99% of the power below, Hz", ",.0f", found.bandwidth_hz),
            ("fraction of a clip that is sound", ".2f", found.active_fraction),
            ("length of its events, s", ".2f", found.event_seconds),
            ("level, dB of full scale", ".1f", found.level_db),
        )
    ]
    rates = [(f"{rate:,}", f"{count:,}") for rate, count in found.sample_rates.items()]
    return render(
        "fingerprint.html",
        fingerprint=found,
        spreads=Table(("", "5%", "median", "95%"), rows if found.num_measured else rows[:1]),
        rates=Table(("sample rate, Hz", "clips"), rates),
    )


def _cell(value: object) -> object:
    if value is None:
        return DASH
    return f"{value:,.1f}" if isinstance(value, float) else value
