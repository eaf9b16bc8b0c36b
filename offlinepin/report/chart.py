"""Draws the chance that the door opens over the time that someone stands there guessing: by length, and by lockout."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from offlinepin.engine.profile import DAY, Lockout
from offlinepin.errors import OfflinepinError
from offlinepin.report.compute import MONTH, YEAR, tries
from offlinepin.report.figures import about, one_in
from offlinepin.report.model import Report
from offlinepin.security import hit_chance, most_guesses

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FROM: Final = 60
_UNTIL: Final = 10 * YEAR
_POINTS: Final = 400
_TICKS: Final = {60: "1 min", 3600: "1 h", DAY: "1 day", MONTH: "1 month", YEAR: "1 year", 10 * YEAR: "10 years"}
_COLOURS: Final = ("#b2182b", "#e08214", "#4d9221", "#4393c3", "#2166ac", "#762a83")  # dark enough on white, apart for the colour-blind
_OWN: Final = "#111111"
_DASHES: Final = ("--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))


def plot(report: Report, path: str | Path) -> tuple[Path, Path]:
    """Write the plot as PNG and as SVG.

    Args:
        report: what to draw.
        path: where; its suffix is replaced by ``.png`` and ``.svg``.

    Returns:
        The two paths written.

    Raises:
        OfflinepinError: matplotlib is missing, or no code of the profile opens the door.
    """
    path = Path(path)
    png, svg = path.with_suffix(".png"), path.with_suffix(".svg")
    svg.write_text(_svg(_figure(report)), encoding="utf-8")
    _figure(report).savefig(png, dpi=150, metadata={"Software": None})  # a figure anew: the layout depends on the resolution
    return png, svg


def as_svg(report: Report) -> str:
    """The plot as an ``<svg>`` element to stand in a page."""
    text = _svg(_figure(report))
    return text[text.index("<svg") :]


def _svg(figure: Figure) -> str:
    import matplotlib as mpl

    text = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "offlinepin", "svg.fonttype": "none"}):  # the same bytes every time, text as text
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _figure(report: Report) -> Figure:
    """Two panels with one scale: lengths under the product's lockout, and lockouts at the product's length."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ModuleNotFoundError as cause:
        raise OfflinepinError(f"the plot needs the package {cause.name}; install it with: pip install 'offlinepin[report]'") from None
    worst = report.easiest
    if worst is None:
        raise OfflinepinError(f"no code of profile {report.profile!r} opens the door, so there is no chance to draw")
    figure = Figure(figsize=(11, 6.4), layout=ConstrainedLayoutEngine(wspace=0.06))
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    name = f"{report.name}, {worst.family}" if len(report.families) > 1 else report.name
    figure.suptitle(f"{name}: the chance that guessing opens the door, by time at the door", fontsize=13, fontweight="bold")
    now = next(n for n, row in enumerate(worst.lengths) if row.length == worst.length)
    for n, row in enumerate(worst.lengths):
        keys = f"{row.length} sealed symbols: {one_in(row.odds)} a guess"
        _line(left, report.lockout, row.odds, keys, n, n == now)
    left.set_title("Other lengths, this lockout", fontsize=11)
    for n, compared in enumerate(report.lockouts):
        label = f"{compared.name}: {_entries(compared.guesses[-1])}"
        _line(right, compared.lockout, worst.odds, label, n + 1, n == 0)
    right.set_title(f"Other lockouts, {worst.length} sealed symbols", fontsize=11)
    left.set_ylabel("Chance that the door opens")
    floor = min(hit_chance(row.odds, tries(most_guesses(report.lockout, _FROM), _FROM)) for row in worst.lengths)
    for axes in (left, right):
        target = f"target: {one_in(report.target_per_year)} in a year"
        axes.plot([YEAR], [report.target_per_year], "o", color=_OWN, markerfacecolor="white", markersize=8, label=target, zorder=3)
        _scales(axes, min(floor, report.target_per_year))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), frameon=False, fontsize=9)
    return figure


def _entries(guesses: int | None) -> str:
    return "no limit to entries" if guesses is None else f"{about(guesses)} entries a year"


def _line(axes: Axes, lockout: Lockout, odds: float, label: str, n: int, own: bool) -> None:
    seconds = [round(_FROM * (_UNTIL / _FROM) ** (i / (_POINTS - 1))) for i in range(_POINTS)]
    chances = [hit_chance(odds, tries(most_guesses(lockout, s), s)) for s in seconds]
    colour = _OWN if own else _COLOURS[n % len(_COLOURS)]
    style = "-" if own else _DASHES[n % len(_DASHES)]
    axes.plot(seconds, chances, color=colour, linestyle=style, linewidth=2.6 if own else 1.6, label=label + (" (now)" if own else ""))


def _scales(axes: Axes, floor: float) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(_FROM, _UNTIL)
    axes.minorticks_off()
    axes.set_xticks(list(_TICKS), list(_TICKS.values()))
    ticks = [10.0**-n for n in range(15) if 10.0**-n >= floor / 10]
    axes.set_ylim(max(ticks[-1], floor / 3), 1.3)
    axes.set_yticks(ticks, list(_chances(ticks)))
    axes.set_xlabel("Time at the door")
    axes.grid(True, color="#dddddd", linewidth=0.8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _chances(ticks: list[float]) -> Iterable[str]:
    return ("certain" if tick == 1 else one_in(tick) for tick in ticks)
