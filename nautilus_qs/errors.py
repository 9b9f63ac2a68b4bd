"""The errors this project raises: who must act, by type.

``QsError`` is never raised itself. Every message says what must hold, what was found, and what to do. A refusal of a
trade is not an error: it is a :class:`nautilus_qs.domain.Verdict`.
"""


class QsError(Exception):
    """Root of every error of this project; ``exit_code`` is what the command line returns for it."""

    exit_code = 1


class ConfigError(QsError):
    """A setting is missing, unknown or out of range: whoever wrote the configuration must act."""

    exit_code = 4


class DataError(QsError):
    """Market data is missing, damaged or refused: whoever keeps the catalog must act."""


class NotFoundError(QsError):
    """What was named (a run, a strategy, an instrument) does not exist."""

    exit_code = 3


class StorageError(QsError):
    """A result could not be written or read back; nothing half-written is left."""
