"""What a rule's parameters must satisfy before any of them may reach a market."""

from nautilus_qs.errors import ConfigError

LONGEST_WINDOW = 500  # bars; more than two trading years of daily bars decide nothing that is traded in days


def require_window(name: str, bars: object, *, at_least: int = 2) -> None:
    """Refuse a window that is not a whole number of bars in [at_least, 500].

    Raises
    ------
    ConfigError
        It is not.

    """
    # A bool is an int to Python; `true` for a window is a slip.
    if isinstance(bars, bool) or not isinstance(bars, int) or not at_least <= bars <= LONGEST_WINDOW:
        raise ConfigError(
            f"{name} must be a whole number of bars in [{at_least}, {LONGEST_WINDOW}], was {bars!r}; "
            f"set params.{name} of the strategy"
        )


def require_between(name: str, value: float, low: float, high: float) -> None:
    """Refuse a number outside (low, high], NaN included.

    Raises
    ------
    ConfigError
        It is outside.

    """
    if not low < value <= high:
        raise ConfigError(f"{name} must be in ({low:g}, {high:g}], was {value}; set params.{name} of the strategy")


def require_distances(stop_atr: float, target_atr: float | None) -> None:
    """Refuse a stop or target distance that is not positive, or so wide that it is never reached.

    Raises
    ------
    ConfigError
        One of them is so.

    """
    require_between("stop_atr", stop_atr, 0.0, 20.0)
    if target_atr is not None:
        require_between("target_atr", target_atr, 0.0, 100.0)
