"""What can become of a call to a venue, by what the caller may conclude from it."""


class VenueError(Exception):
    """Base of every failed call."""


class RefusedError(VenueError):
    """The venue answered, with authority, that it did not do what was asked.

    Attributes
    ----------
    status
        HTTP status of the answer.
    code
        The venue's own code or name of the error, "" where it gave none.
    message
        The venue's text, cut to a readable length.
    body
        The decoded body, {} where it could not be decoded.
    """

    def __init__(self, status: int, code: str, message: str, body: dict[str, object] | None = None) -> None:
        super().__init__(f"HTTP {status} {code} {message}".replace("  ", " "))
        self.status = status
        self.code = code
        self.message = message
        self.body = body or {}


class NotFoundError(RefusedError):
    """The venue answered, with authority, that it knows no such thing."""


class UnauthorizedError(RefusedError):
    """The venue does not accept the key: nothing more is to be sent until a person has looked."""


class RateLimitedError(VenueError):
    """The venue did not look at the request; it may be sent again after ``retry_after_secs``."""

    def __init__(self, retry_after_secs: float) -> None:
        super().__init__(f"rate limited, again in {retry_after_secs:.1f} s")
        self.retry_after_secs = retry_after_secs


class AmbiguousError(VenueError):
    """Nobody knows whether the venue did it: no answer in time, a broken line, a 5xx, an answer that cannot be read."""


class NotSentError(VenueError):
    """The request never left: a veto, a cap, a full lane, an exhausted budget. It is safe to refuse or to ask again."""
