"""The page beside a report, and the links to its clips."""

import json
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs

import numpy as np
import pytest

from earmark.audit.findings import Audit, Finding, LabelIssue
from earmark.data.manifest import Manifest
from earmark.data.recording import Recording
from earmark.report.audit import write_audit
from earmark.report.document import write_report
from earmark.report.labels import render_curves
from earmark.report.review import review_audit, review_test


@pytest.fixture
def manifest(evaluation, tmp_path, write_clip):
    """The recordings of the test: the second is predicted wrongly."""
    names = [clip.name for clip in evaluation.predictions.clips]
    recordings = [
        Recording(write_clip(tmp_path / f"{number}.wav"), name, (evaluation.labels[target],), name)
        for number, (name, target) in enumerate(zip(names, (0, 0, 1), strict=True))
    ]
    return Manifest(tmp_path, tuple(recordings), evaluation.labels)


def clips_of(path: Path):
    document = re.search(r'id="queue">(.*?)</script>', path.read_text(), re.S)
    return json.loads(document[1])["clips"]


def test_a_wrong_prediction_is_linked_from_its_cell_and_its_row(
    evaluation, manifest, tmp_path, checkpoint, origin, parse
):
    report = write_report(tmp_path, evaluation, checkpoint, origin, None, manifest)
    (clip,) = clips_of(tmp_path / "review.html")
    assert (clip["label"], clip["predicted"]) == ("music & <noise>", "speech")
    addresses = [one for one in parse(report.read_text()).addresses if one.startswith("review")]
    asked = [parse_qs(one.partition("#")[2]) for one in addresses]
    assert {"label": [clip["label"]], "predicted": [clip["predicted"]]} in asked
    assert {"clip": [clip["key"]]} in asked
    assert f"earmark review {tmp_path} --data {tmp_path}" in parse(report.read_text()).text
    # Only cells with wrong clips have one.
    assert sum("label" in one for one in asked) == 1


def test_without_errors_there_is_no_page(evaluation, manifest, tmp_path):
    right = replace(
        evaluation,
        uncalibrated=replace(evaluation.uncalibrated, logits=np.array([[-2.0], [-1.0], [3.0]])),
    )
    (tmp_path / "review.html").write_text("of an earlier test")
    page = review_test(tmp_path / "review.html", right, manifest)
    assert page.links is None
    page.write()
    assert not (tmp_path / "review.html").exists()
    assert "<a " not in render_curves(right)


def test_results_are_written_before_the_page_that_needs_sound(
    evaluation, manifest, tmp_path, checkpoint, origin, monkeypatch
):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr("earmark.report.review.write_static_page", fail)
    with pytest.raises(MemoryError):
        write_report(tmp_path, evaluation, checkpoint, origin, None, manifest)
    assert (tmp_path / "predictions.csv").read_text() == evaluation.to_csv()
    assert (tmp_path / "model_card.md").exists()
    assert (tmp_path / "report.html").exists()
    finding = Finding("silent", "warning", (manifest.recordings[0].name,), "silent")
    with pytest.raises(MemoryError):
        write_audit(tmp_path / "check.html", Audit(3, (finding,)), "data", manifest)
    assert (tmp_path / "check.html").exists()


def test_findings_of_an_audit_are_linked(manifest, tmp_path, parse):
    name = manifest.recordings[0].name
    findings = (
        Finding("silent", "warning", (name,), f"{name}: silent & quiet"),
        Finding("unbalanced", "note", (), "12 of x"),
    )
    write_audit(tmp_path / "check.html", Audit(3, findings), "data", manifest)
    (clip,) = clips_of(tmp_path / "check.review.html")
    (address,) = parse((tmp_path / "check.html").read_text()).addresses
    page, _, asked = address.partition("#")
    assert page == "check.review.html"
    assert parse_qs(asked)["text"] == [clip["reason"]]


def test_a_label_that_is_probably_wrong_is_linked_with_what_it_may_be(manifest, tmp_path, parse):
    one = manifest.recordings[1]
    issue = LabelIssue(one, one.labels[0], "speech", 0.9)
    audit = Audit(3, (), label_issues=(issue,))
    write_audit(tmp_path / "check.html", audit, "data", manifest)
    (clip,) = clips_of(tmp_path / "check.review.html")
    assert (clip["predicted"], clip["probability"]) == ("speech", 0.9)
    addresses = parse((tmp_path / "check.html").read_text()).addresses
    assert f"check.review.html#clip={clip['key']}" in addresses


def test_an_audit_that_names_no_recording_has_no_page(manifest, tmp_path):
    assert review_audit(tmp_path / "check.review.html", Audit(3, ()), manifest).links is None


@pytest.mark.slow
def test_two_clicks_lead_from_an_error_to_a_corrected_label(
    evaluation, manifest, tmp_path, checkpoint, origin, launch, axe
):
    report = write_report(tmp_path, evaluation, checkpoint, origin, None, manifest)
    links = review_test(tmp_path / "review.html", evaluation, manifest).links
    with launch() as browser:
        page = browser.new_page()
        page.goto(report.as_uri())
        page.evaluate(axe)
        assert not page.evaluate("axe.run()")["violations"]
        page.locator(".confusion a").click()
        page.locator("html[data-ready]").wait_for(state="attached")
        assert page.locator("#list li").count() == 1
        page.locator("#choices button", has_text="speech").click()
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Download the answers").click()
        (answer,) = json.loads(waiting.value.path().read_text())["answers"]
        assert answer["labels"] == ["speech"]
        assert answer["clip"] == links.keys["b<b>.wav"]
