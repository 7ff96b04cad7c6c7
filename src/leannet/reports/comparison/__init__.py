"""Runs and networks side by side: a table, a page, and its figures."""

from leannet.reports.comparison.comparing import compare, write_figures, write_page
from leannet.reports.comparison.comparison import Comparison, Timing

__all__ = ["Comparison", "Timing", "compare", "write_figures", "write_page"]
