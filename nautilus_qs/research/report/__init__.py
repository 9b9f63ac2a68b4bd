"""The report of a run: one self-contained page, drawn from the files of its directory and from nothing else."""

from nautilus_qs.research.report.page import render

__all__ = ["render"]
