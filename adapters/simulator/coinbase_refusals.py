"""The names that Coinbase has for the reasons to say no."""

from adapters.simulator.exchange.refusals import Reason, RefusalError

# The preview knows more reasons than the order failures do; the others are an unknown failure there.
_ORDER_FAILURES = {
    "PREVIEW_INSUFFICIENT_FUND": "INSUFFICIENT_FUND",
    "PREVIEW_INVALID_LIMIT_PRICE": "INVALID_LIMIT_PRICE",
    "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY": "INVALID_LIMIT_PRICE_POST_ONLY",
    "PREVIEW_INVALID_NO_LIQUIDITY": "INVALID_NO_LIQUIDITY",
    "PREVIEW_INVALID_ORDER_CONFIG": "UNSUPPORTED_ORDER_CONFIGURATION",
    "PREVIEW_INVALID_PRICE_PRECISION": "INVALID_PRICE_PRECISION",
    "PREVIEW_INVALID_PRODUCT_ID": "INVALID_PRODUCT_ID",
    "PREVIEW_INVALID_QUOTE_SIZE_PRECISION": "INVALID_SIZE_PRECISION",
    "PREVIEW_INVALID_SIDE": "INVALID_SIDE",
    "PREVIEW_INVALID_SIZE_PRECISION": "INVALID_SIZE_PRECISION",
    "PREVIEW_BREACHED_PRICE_LIMIT": "LIMIT_PRICE_TOO_FAR_FROM_MARKET",
    "PREVIEW_UNTRADABLE_PRODUCT": "ORDER_ENTRY_DISABLED",
    "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE": "PRODUCT_TRADING_HALTED",
}

_TOO_PRECISE_SIZE = "Too many decimals in order amount"
_NO_FUNDS = "Insufficient balance in source account"
_UNSUPPORTED = "Unsupported order configuration"
_PREVIEWS: dict[Reason, tuple[str, str]] = {
    Reason.UNKNOWN_SYMBOL: ("PREVIEW_INVALID_PRODUCT_ID", "Invalid product_id"),
    Reason.NOT_TRADABLE: ("PREVIEW_UNTRADABLE_PRODUCT", "Orders for this product are disabled"),
    Reason.HALTED: ("PREVIEW_NOT_ALLOWED_BY_MARKET_STATE", "Trading in this product is halted"),
    Reason.SUSPENDED: ("PREVIEW_UNTRADABLE_PRODUCT", "Order entry is disabled"),
    Reason.QTY_MISSING: ("PREVIEW_INVALID_BASE_SIZE_TOO_SMALL", ""),
    Reason.QTY_NOT_POSITIVE: ("PREVIEW_INVALID_BASE_SIZE_TOO_SMALL", ""),
    Reason.QTY_INCREMENT: ("PREVIEW_INVALID_SIZE_PRECISION", _TOO_PRECISE_SIZE),
    Reason.QTY_TOO_SMALL: ("PREVIEW_INVALID_BASE_SIZE_TOO_SMALL", ""),
    Reason.QTY_TOO_LARGE: ("PREVIEW_INVALID_BASE_SIZE_TOO_LARGE", ""),
    Reason.NOTIONAL_INCREMENT: ("PREVIEW_INVALID_QUOTE_SIZE_PRECISION", _TOO_PRECISE_SIZE),
    Reason.NOTIONAL_TOO_SMALL: ("PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL", ""),
    Reason.NOTIONAL_TOO_LARGE: ("PREVIEW_INVALID_QUOTE_SIZE_TOO_LARGE", ""),
    Reason.PRICE_MISSING: ("PREVIEW_INVALID_LIMIT_PRICE", "Missing order price"),
    Reason.PRICE_INCREMENT: ("PREVIEW_INVALID_PRICE_PRECISION", "Too many decimals in order price"),
    Reason.PRICE_TOO_FAR: ("PREVIEW_BREACHED_PRICE_LIMIT", "Limit price is too far from the market"),
    Reason.STOP_SIDE: ("PREVIEW_INVALID_STOP_PRICE", "Invalid stop price"),
    Reason.LEG_PRICE: ("PREVIEW_INVALID_BRACKET_PRICES", "Invalid bracket prices"),
    Reason.LEG_MISSING: ("PREVIEW_INVALID_ORDER_CONFIG", _UNSUPPORTED),
    Reason.POST_ONLY_CROSSES: ("PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY", "Post only order would cross the market"),
    Reason.NO_LIQUIDITY: ("PREVIEW_INVALID_NO_LIQUIDITY", "No liquidity"),
    Reason.TYPE_UNSUPPORTED: ("PREVIEW_INVALID_ORDER_CONFIG", _UNSUPPORTED),
    Reason.TIF_UNSUPPORTED: ("PREVIEW_INVALID_ORDER_CONFIG", _UNSUPPORTED),
    Reason.CLASS_UNSUPPORTED: ("PREVIEW_INVALID_ORDER_CONFIG", _UNSUPPORTED),
    Reason.INSUFFICIENT_BUYING_POWER: ("PREVIEW_INSUFFICIENT_FUND", _NO_FUNDS),
    Reason.INSUFFICIENT_QTY: ("PREVIEW_INSUFFICIENT_FUND", _NO_FUNDS),
    Reason.NOT_SHORTABLE: ("PREVIEW_INSUFFICIENT_FUND", _NO_FUNDS),
    Reason.SHORTING_OFF: ("PREVIEW_INSUFFICIENT_FUND", _NO_FUNDS),
    Reason.TOO_MANY_ORDERS: ("UNKNOWN_PREVIEW_FAILURE_REASON", "Too many open orders"),
}
_EDITS = {
    Reason.ORDER_UNKNOWN: "ORDER_NOT_FOUND",
    Reason.NOT_REPLACEABLE: "ONLY_OPEN_ORDERS_CAN_BE_EDITED",
    Reason.BELOW_FILLED: "CANNOT_EDIT_TO_BELOW_FILLED_SIZE",
    Reason.QTY_NOT_POSITIVE: "INVALID_EDITED_SIZE",
    Reason.QTY_INCREMENT: "INVALID_EDITED_SIZE",
    Reason.QTY_TOO_SMALL: "INVALID_EDITED_SIZE",
    Reason.QTY_TOO_LARGE: "INVALID_EDITED_SIZE",
    Reason.PRICE_INCREMENT: "INVALID_EDITED_PRICE",
    Reason.PRICE_TOO_FAR: "INVALID_EDITED_PRICE",
    Reason.NOTHING_CHANGED: "EDIT_REQUEST_EQUAL_TO_ORIGINAL_REQUEST",
}

_CANCELS = {Reason.ORDER_UNKNOWN: "UNKNOWN_CANCEL_ORDER", Reason.NOT_CANCELABLE: "NOT_ALLOWED_TO_CANCEL"}


class RefusedError(Exception):
    """The order may not be.

    Parameters
    ----------
    preview
        Name among the preview failures; the name among the order failures derives from it where there is one.
    message
        What a person would be shown.

    """

    def __init__(self, preview: str, message: str = "") -> None:
        super().__init__(f"{preview} {message}".strip())
        self.preview = preview
        self.message = message

    @property
    def error(self) -> str:
        """Return the name among the order failures, which knows fewer reasons than the preview does."""
        return _ORDER_FAILURES.get(self.preview, "UNKNOWN_FAILURE_REASON")


def refused(error: RefusalError) -> RefusedError:
    """Return what the exchange said in the venue's words.

    Examples
    --------
    >>> refused(RefusalError(Reason.QTY_INCREMENT)).error
    'INVALID_SIZE_PRECISION'

    """
    return RefusedError(*_PREVIEWS.get(error.reason, ("UNKNOWN_PREVIEW_FAILURE_REASON", error.reason.value)))


def edit_failure(error: RefusalError) -> tuple[str, str]:
    """Return the edit failure and the preview failure for what the exchange said; one of them is empty.

    Examples
    --------
    >>> edit_failure(RefusalError(Reason.BELOW_FILLED))
    ('CANNOT_EDIT_TO_BELOW_FILLED_SIZE', '')

    """
    name = _EDITS.get(error.reason)
    return (name, "") if name else ("", refused(error).preview)


def cancel_failure(error: RefusalError) -> str:
    """Return the failure of a cancel for what the exchange said.

    Examples
    --------
    >>> cancel_failure(RefusalError(Reason.ORDER_UNKNOWN))
    'UNKNOWN_CANCEL_ORDER'

    """
    return _CANCELS.get(error.reason, "COMMANDER_REJECTED_CANCEL_ORDER")
