"""The report of a run: one page that needs nothing else, made from what the run wrote down."""

from amiforge.bake.report.page import NAME, write_report

__all__ = ["NAME", "write_report"]
