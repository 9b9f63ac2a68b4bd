"""What the catalog refuses, by name."""


class CatalogError(Exception):
    """Market data is missing, damaged or refused; the message says what must hold, what was found, and what to do."""
