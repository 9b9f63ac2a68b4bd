"""The colours of the page, once for light and once for dark; charts name them and the page fills them in.

A figure says ``@name`` or ``@name/alpha``: the same figure is drawn in both themes. The categorical hues keep their
order and stay apart for colour-blind readers; gain and loss never stand without a sign or a shape beside them.
"""

from typing import Any

LIGHT = {
    "page": "#faf9f6",
    "surface": "#ffffff",
    "raised": "#f3f1ec",
    "text": "#1d1c1a",
    "muted": "#66635d",
    "faint": "#8f8b83",
    "line": "#e3e0d8",
    "grid": "#ebe8e1",
    "accent": "#1f4e79",
    "gain": "#0b7a4b",
    "loss": "#b3261e",
    "warn": "#8a5a00",
    "warn_surface": "#fdf5e2",
    "warn_line": "#ecd49a",
    "benchmark": "#9a968d",
    "equity": "#1f5fa8",
    "series0": "#2a6fbf",
    "series1": "#d9622b",
    "series2": "#128a66",
    "series3": "#b98500",
    "series4": "#c8558c",
    "series5": "#5a4fb0",
    "series6": "#6b7d2a",
    "series7": "#a0443f",
    "regime_none": "#d5d2ca",
    "regime_bull_trending": "#4fa67c",
    "regime_bear_trending": "#d98a5f",
    "regime_high_vol_choppy": "#d9b64a",
    "regime_low_vol_range": "#8fb0d3",
    "regime_crisis": "#b23a48",
}
DARK = {
    "page": "#141517",
    "surface": "#1b1d20",
    "raised": "#24272b",
    "text": "#eceae5",
    "muted": "#a8a59d",
    "faint": "#7d7a73",
    "line": "#32353a",
    "grid": "#2a2d31",
    "accent": "#8fbbe8",
    "gain": "#4cc38a",
    "loss": "#f2786d",
    "warn": "#f0c36a",
    "warn_surface": "#2b2618",
    "warn_line": "#57491f",
    "benchmark": "#8b877e",
    "equity": "#6ea8e8",
    "series0": "#5b9ae6",
    "series1": "#ec8350",
    "series2": "#35b48b",
    "series3": "#d9a72c",
    "series4": "#de7fae",
    "series5": "#9a90ea",
    "series6": "#a3b65a",
    "series7": "#d9827c",
    "regime_none": "#44474c",
    "regime_bull_trending": "#3f8f69",
    "regime_bear_trending": "#bf7148",
    "regime_high_vol_choppy": "#b8962f",
    "regime_low_vol_range": "#5f83ab",
    "regime_crisis": "#c2475a",
}
N_SERIES = 8


def series_colour(index: int) -> str:
    """Return the token of the colour of the `index`-th series; the eighth is followed by the first.

    Examples
    --------
    >>> series_colour(1), series_colour(9)
    ('@series1', '@series1')
    """
    return f"@series{index % N_SERIES}"


def resolve(figure: Any, palette: dict[str, str]) -> Any:
    """Return a figure with its colour tokens replaced, as the page's script does.

    Raises
    ------
    KeyError
        If a figure names a colour that the palette lacks.

    Examples
    --------
    >>> resolve({"line": {"color": "@ink/0.5"}, "x": [1]}, {"ink": "#102030"})
    {'line': {'color': 'rgba(16,32,48,0.5)'}, 'x': [1]}
    """
    if isinstance(figure, dict):
        return {key: resolve(value, palette) for key, value in figure.items()}
    if isinstance(figure, list):
        return [resolve(value, palette) for value in figure]
    if isinstance(figure, str) and figure.startswith("@"):
        name, _, alpha = figure[1:].partition("/")
        return _rgba(palette[name], alpha) if alpha else palette[name]
    return figure


def css_variables(palette: dict[str, str]) -> str:
    """Return the palette as CSS custom properties.

    Examples
    --------
    >>> css_variables({"warn_line": "#ecd49a"})
    '--warn-line: #ecd49a;'
    """
    return " ".join(f"--{name.replace('_', '-')}: {colour};" for name, colour in palette.items())


def _rgba(colour: str, alpha: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"
