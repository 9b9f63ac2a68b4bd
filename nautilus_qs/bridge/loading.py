"""Parts that a configuration names by string, as NautilusTrader's importable configs do."""

from importlib import import_module
from typing import Any

from nautilus_qs.errors import ConfigError


def load_component(path: str, values: dict[str, str]) -> Any:
    """Return what the callable at `path` makes of `values`, its keywords.

    Raises
    ------
    ConfigError
        If there is no such module or name.

    Examples
    --------
    >>> load_component("fractions:Fraction", {"numerator": "1/2"})
    Fraction(1, 2)
    """
    return find_part(path)(**values)


def find_part(path: str) -> Any:
    """Return what is named ``module:name``.

    Raises
    ------
    ConfigError
        If there is no such module or name.
    """
    module, _, name = path.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"a part must be named as module:name that can be imported, was {path!r} ({error})"
        ) from error
