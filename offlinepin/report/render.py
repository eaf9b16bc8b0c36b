"""The report as plain text and as one HTML page."""

from __future__ import annotations

import html
import itertools
import textwrap
from collections.abc import Iterator
from typing import Final

from offlinepin.report.model import Report
from offlinepin.report.words import Section, Table, heading, sections

_LEAST: Final = 72
_NARROWEST: Final = 12
_GAP: Final = "  "
_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.words { font-size: 1.1rem; background: #f4f6f8; border-left: .3rem solid #35618f; padding: .5rem 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem .25rem 0; text-align: right; border-bottom: 1px solid #ddd; vertical-align: top; }
th:first-child, td:first-child, .prose td:last-child, .prose th:last-child { text-align: left; }
svg { width: 100%; height: auto; }
.wide { overflow-x: auto; }
"""


def as_text(report: Report, width: int) -> str:
    """The report in lines of at most ``width`` columns; less than 72 is taken as 72."""
    width = max(_LEAST, width)
    parts = [*_title(heading(report), "=", width), *textwrap.wrap(report.title or report.profile, width), ""]
    for section in sections(report):
        parts += _title(section.title, "-", width)
        for paragraph in section.paragraphs:
            parts += textwrap.wrap(paragraph, width, break_on_hyphens=False)
        if section.table is not None:
            parts += ["", *_lines(section.table, width)]
        parts.append("")
    return "\n".join(parts)


def _title(text: str, line: str, width: int) -> list[str]:
    lines = textwrap.wrap(text, width)
    return [*lines, line * max(map(len, lines))]


def _lines(table: Table, width: int) -> list[str]:
    """A table in columns; the one with words, the first or the last, is wrapped into what the others leave."""
    rows = [table.head, *table.rows]
    columns = [max(len(row[i]) for row in rows) for i in range(len(table.head))]
    flexible = len(columns) - 1 if table.prose else 0
    room = width - sum(columns) + columns[flexible] - len(_GAP) * (len(columns) - 1)
    if room < min(_NARROWEST, columns[flexible]):
        return _stacked(table, width)
    columns[flexible] = min(columns[flexible], room)
    left = {0, len(columns) - 1} if table.prose else {0}
    lines = [*_row(table.head, columns, left, flexible), _GAP.join("-" * column for column in columns)]
    for row in table.rows:
        lines += _row(row, columns, left, flexible)
    return lines


def _row(row: tuple[str, ...], columns: list[int], left: set[int], flexible: int) -> Iterator[str]:
    """One row, in as many lines as its words take."""
    cells = [textwrap.wrap(cell, columns[i], break_on_hyphens=False) if i == flexible else [cell] for i, cell in enumerate(row)]
    for texts in itertools.zip_longest(*cells, fillvalue=""):
        yield _GAP.join(text.ljust(columns[i]) if i in left else text.rjust(columns[i]) for i, text in enumerate(texts)).rstrip()


def _stacked(table: Table, width: int) -> list[str]:
    """A table too wide for columns: each row under its first cell."""
    label = max(map(len, table.head))
    lines = []
    for row in table.rows:
        lines += textwrap.wrap(row[0], width)
        for head, cell in zip(table.head[1:], row[1:], strict=True):
            lines += textwrap.wrap(f"  {head:<{label}}  {cell}", width, subsequent_indent=" " * (label + 4))
    return lines


def as_html(report: Report) -> str:
    """One page that needs nothing beside it."""
    from offlinepin.report.chart import as_svg

    title = html.escape(heading(report))
    body = [f"<h1>{title}</h1>", f"<p>{html.escape(report.title or report.profile)}</p>"]
    for n, section in enumerate(sections(report)):
        body.append(_section(section, "words" if n == 0 else ""))
        if n == 0 and report.easiest is not None:
            body.append(f"<figure>{as_svg(report)}<figcaption>The chance that the door opens, by time at the door.</figcaption></figure>")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n" + "\n".join(body) + "\n</body>\n</html>\n"
    )


def _section(section: Section, css: str) -> str:
    paragraphs = "\n".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in section.paragraphs)
    inner = f'<div class="{css}">\n{paragraphs}\n</div>' if css else paragraphs
    return f"<section>\n<h2>{html.escape(section.title)}</h2>\n{inner}\n{_table(section.table)}</section>"


def _table(table: Table | None) -> str:
    if table is None:
        return ""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in table.head)
    rows = "\n".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    kind = ' class="prose"' if table.prose else ""
    return f'<div class="wide"><table{kind}>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>\n'
