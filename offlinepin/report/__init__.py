"""The security report of a product: how safe its codes are, in words first and numbers after.
:func:`report` computes it from the profile alone; :func:`plot` draws the chance of a hit over time and needs the extra ``report``."""

from offlinepin.report.chart import plot
from offlinepin.report.compute import report
from offlinepin.report.model import Report

__all__ = ["Report", "plot", "report"]
