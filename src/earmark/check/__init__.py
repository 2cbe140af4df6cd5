"""The audit of a data set: its files, its sound, its copies, its labels and its shortcuts."""

from earmark.check.audit import check
from earmark.check.findings import Audit, Finding
from earmark.check.listening import SILENT_PEAK

__all__ = ["SILENT_PEAK", "Audit", "Finding", "check"]
