"""Small pieces of HTML: everything that comes from a run is escaped here, and nowhere else trusted."""

from collections.abc import Sequence

from msgspec import Struct

from nautilus_qs.research.report.definitions import Definition, Unit
from nautilus_qs.research.report.estimate import Estimate
from nautilus_qs.research.report.text import MISSING, escape, number, percent, tone


class Cell(Struct, frozen=True):
    """One cell of a table: what is shown, a CSS class, and (None: the text) what the column sorts by.

    ``share`` in [0, 1] draws a bar behind the text; ``markup`` replaces the escaped text by HTML made on this page.
    """

    text: str
    css: str = ""
    sort: float | None = None
    share: float | None = None
    markup: str = ""


def plain(value: object) -> Cell:
    """Return a cell of text."""
    return Cell(str(value))


def figure_cell(text: str, value: float | None, *, toned: bool = False, share: float | None = None) -> Cell:
    """Return a cell of a number: to the right, sorted by `value`, coloured by its sign when `toned`."""
    css = f"num {tone(value)}".strip() if toned else "num"
    return Cell(text, css, value, share)


def table(heads: Sequence[str], rows: Sequence[Sequence[Cell]], *, caption: str = "", sortable: bool = True) -> str:
    """Return a table; a column is to the right when its first cell is a number.

    Parameters
    ----------
    heads
        Column titles.
    rows
        Cells in the order of the titles.
    caption
        What the table shows, for screen readers; "" for none.
    sortable
        Whether the page's script lets a click on a title sort it.
    """
    right = {i for i, cell in enumerate(rows[0]) if cell.css.startswith("num")} if rows else set()
    titles = "".join(
        f'<th scope="col"{" class=num" if i in right else ""}>{escape(head)}</th>' for i, head in enumerate(heads)
    )
    body = "".join(f"<tr>{''.join(_td(cell) for cell in row)}</tr>" for row in rows)
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    css = ' class="sortable"' if sortable and len(rows) > 1 else ""
    return f'<div class="scroll"><table{css}>{title}<thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'


def section(anchor: str, title: str, body: str, lead: str = "") -> str:
    """Return a section of the page; `body` is HTML, title and lead are text."""
    intro = f'<p class="lead">{escape(lead)}</p>' if lead else ""
    return f'<section id="{escape(anchor)}"><h2>{escape(title)}</h2>{intro}{body}</section>'


def note(text: str) -> str:
    """Return a quiet sentence, as an empty section has."""
    return f'<p class="note">{escape(text)}</p>'


def chart(name: str, height: int, description: str) -> str:
    """Return the place where the page's script draws a figure."""
    return (
        f'<div class="chart" data-figure="{escape(name)}" style="min-height:{height}px" role="img" '
        f'aria-label="{escape(description)}"></div>'
    )


def details(summary: str, body: str) -> str:
    """Return a part that opens on a click; `body` is HTML."""
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"


def definition_list(items: Sequence[tuple[str, str]]) -> str:
    """Return names and what they stand for."""
    return (
        '<dl class="facts">'
        + "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in items)
        + "</dl>"
    )


def value_text(estimate: Estimate, definition: Definition) -> str:
    """Return a statistic's value as its unit wants it; a dash where the run could not say."""
    return written(estimate.value, definition.unit)


def interval_text(estimate: Estimate, definition: Definition) -> str:
    """Return a statistic's interval, "" without one; an end that is not known is open."""
    low, high = (written(end, definition.unit) for end in (estimate.low, estimate.high))
    return "" if low == high == MISSING else f"{low} to {high}".replace(MISSING, "?")


def written(value: float, unit: Unit) -> str:
    """Return a value in its unit.

    Examples
    --------
    >>> written(0.1234, Unit.PERCENT), written(12.0, Unit.COUNT), written(0.5, Unit.R)
    ('12.34 %', '12', '0.50 R')
    """
    if unit is Unit.PERCENT:
        return percent(value, 4 if 0.0 < abs(value) < 1e-3 else 2)
    if unit is Unit.COUNT:
        return number(value, 0)
    if unit is Unit.DAYS:
        return f"{number(value, 1)} days" if number(value) != MISSING else MISSING
    text = number(value, 2)
    return f"{text} R" if unit is Unit.R and text != MISSING else text


def whisker(estimate: Estimate, neutral: float | None) -> str:
    """Return an interval as a small drawing, with a mark at the value that says nothing was found; "" without one."""
    if not (estimate.has_interval and estimate.is_known):
        return ""
    points = [estimate.low, estimate.high, estimate.value] + ([] if neutral is None else [neutral])
    low, span = min(points), (max(points) - min(points)) or 1.0

    def at(value: float) -> str:
        return f"{4 + 112 * (value - low) / span:.1f}"

    tick = "" if neutral is None else f'<path class="zero" d="M{at(neutral)} 1V15"/>'
    return (
        '<svg class="whisker" viewBox="0 0 120 16" aria-hidden="true">'
        f'{tick}<path class="span" d="M{at(estimate.low)} 8H{at(estimate.high)}"/>'
        f'<circle cx="{at(estimate.value)}" cy="8" r="3.5"/></svg>'
    )


def _td(cell: Cell) -> str:
    css = f' class="{cell.css}"' if cell.css else ""
    sort = f' data-sort="{cell.sort:.10g}"' if cell.sort is not None else ""
    inner = cell.markup or escape(cell.text)
    if cell.share is not None:
        inner = f'<span class="bar" style="--share:{min(max(cell.share, 0.0), 1.0):.3f}"></span>{inner}'
    return f"<td{css}{sort}>{inner}</td>"
