"""Runs and networks side by side: a table, a page, and its pictures."""

from leannet.reports.comparing.comparing import Comparison, Timing, compare, write_page, write_pictures

__all__ = ["Comparison", "Timing", "compare", "write_page", "write_pictures"]
