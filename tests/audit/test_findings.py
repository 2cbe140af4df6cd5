"""The representations of an audit."""

from earmark.audit.findings import MAX_SHOWN, Audit, Finding


def make_audit(number):
    findings = [
        Finding("silent", "warning", (f"{n}.wav",), f"{n}.wav: <silent>") for n in range(number)
    ]
    error = Finding("unreadable", "error", ("bad.wav",), "bad.wav: empty", cause="empty")
    return Audit(number + 1, (error, *findings))


def test_the_audit_as_a_document_has_its_counts():
    document = make_audit(2).to_dict()
    assert (document["num_files"], document["num_errors"], document["num_warnings"]) == (3, 1, 2)
    assert document["findings"][0] == {
        "kind": "unreadable",
        "severity": "error",
        "paths": ("bad.wav",),
        "message": "bad.wav: empty",
        "cause": "empty",
    }


def test_the_representation_lists_the_first_findings():
    lines = repr(make_audit(MAX_SHOWN + 5)).splitlines()
    assert len(lines) == 1 + MAX_SHOWN + 1
    assert "bad.wav: empty" in lines[1]


def test_the_representation_of_a_notebook_is_escaped():
    html = make_audit(2)._repr_html_()
    assert "&lt;silent&gt;" in html
    assert html.count("<tr>") == 1 + 3
