"""What the catalog refuses, by name."""


class CatalogError(Exception):
    """Market data is missing, damaged or refused; the message says what must hold, what was found, and what to do.

    ``exit_code`` is what a command line returns for it.
    """

    exit_code = 1


class NotFound(CatalogError):  # noqa: N818  what it says; the base class tells that it is an error
    """What was named (a catalog, an instrument, a series, a mapping) does not exist."""

    exit_code = 3
