"""The test report: one HTML page that opens from disk, and a model card of the same facts."""

from earmark.report.document import render_report, write_report
from earmark.report.model_card import render_model_card
from earmark.report.origin import TEST_SPLIT, UNSEEN, Origin

__all__ = [
    "TEST_SPLIT",
    "UNSEEN",
    "Origin",
    "render_model_card",
    "render_report",
    "write_report",
]
