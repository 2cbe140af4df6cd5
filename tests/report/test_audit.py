"""The page of an audit."""

from dataclasses import replace
from typing import get_args

import pytest

from earmark.audit.findings import Audit, Finding, FindingType, LabelIssue
from earmark.data.fingerprint import DataFingerprint, LabelStats, Quantiles
from earmark.report.audit import _TITLES, render_audit, write_audit

ROW = {"label": "<x>", "split": None, "num_clips": 1, "num_groups": 1, "duration_seconds": 2.345}


@pytest.fixture
def audit():
    findings = (
        Finding("silent", "warning", ("a.wav",), "a.wav: silent"),
        Finding("near_duplicate", "error", ("b.wav", "c.wav"), "b.wav & <c>.wav"),
    )
    notes = (Finding("unbalanced", "note", (), "12 of x, 3 of y"),)
    return Audit(3, findings, notes, (ROW,))


def test_the_page_is_well_formed_and_lists_errors_first(audit, parse, tmp_path):
    write_audit(tmp_path / "page.html", audit, "sounds & <more>")
    page = parse((tmp_path / "page.html").read_text())
    assert page.open == []
    assert page.addresses == []
    assert page.data["type"] == ["near_duplicate", "silent", "unbalanced"]
    assert page.anchors == page.links == ["findings", "notes", "labels"]
    assert "b.wav & <c>.wav" in page.text
    assert "sounds & <more>" in page.text


def test_labels_are_in_a_table(audit, parse):
    html = render_audit(audit, "sounds")
    assert "<td>&lt;x&gt;</td>" in html
    assert "2.3" in parse(html).text


def test_the_fingerprint_is_a_section(audit, parse):
    some = Quantiles(1.0, 1234.0, 3000.0)
    labels = {"x": LabelStats(2, 1, 4.0)}
    signals = dict.fromkeys(
        ("bandwidth_hz", "reach_hz", "active_fraction", "event_seconds", "level_db"), some
    )
    found = DataFingerprint(
        "binary", labels, 3, 2, 9.0, {16_000: 3}, duration_seconds=some, num_measured=3, **signals
    )
    page = parse(render_audit(replace(audit, fingerprint=found), "sounds"))
    assert page.anchors == page.links == ["findings", "notes", "labels", "fingerprint"]
    assert page.open == []
    assert "1,234" in page.text
    assert "16,000" in page.text


def test_data_without_findings_have_a_page(parse):
    page = parse(render_audit(Audit(1, ()), "sounds"))
    assert "type" not in page.data
    assert page.anchors == ["findings", "labels"]


def test_the_first_wrong_labels_have_players_and_the_others_a_table(
    audit, parse, write_clip, recording, tmp_path, monkeypatch
):
    monkeypatch.setattr("earmark.report.label_issues.MAX_PLAYERS", 2)
    monkeypatch.setattr("earmark.report.label_issues.MAX_ROWS", 1)
    sound = recording(write_clip(tmp_path / "<a>.wav"))
    gone = recording(tmp_path / "gone.wav")
    issues = tuple(LabelIssue(one, "<x>", "", 0.9) for one in (sound, gone, sound, sound))
    page = parse(render_audit(replace(audit, label_issues=issues), "sounds"))
    assert page.anchors == page.links == ["findings", "wrong-labels", "notes", "labels"]
    assert page.tags.count("audio") == 1
    assert "<a>.wav" in page.labels
    assert page.data["more"] == ["1"]
    assert page.open == []
    assert "gone.wav" in page.text


def test_a_page_without_wrong_labels_says_so(audit, parse):
    page = parse(render_audit(replace(audit, label_issues=()), "sounds"))
    assert "wrong-labels" in page.anchors
    assert "audio" not in page.tags


def test_every_type_of_finding_has_a_title():
    assert set(get_args(FindingType)) == set(_TITLES)
