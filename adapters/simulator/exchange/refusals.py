"""Why an exchange says no, in words that belong to no venue; servers make bodies and codes of them."""

from collections.abc import Mapping
from enum import StrEnum


class Reason(StrEnum):
    """Why something was not done."""

    # the order itself
    UNKNOWN_SYMBOL = "unknown_symbol"
    NOT_TRADABLE = "not_tradable"
    HALTED = "halted"
    DUPLICATE_CLIENT_ID = "duplicate_client_id"
    QTY_MISSING = "qty_missing"
    QTY_NOT_POSITIVE = "qty_not_positive"
    QTY_INCREMENT = "qty_increment"
    QTY_TOO_SMALL = "qty_too_small"
    QTY_TOO_LARGE = "qty_too_large"
    NOTIONAL_INCREMENT = "notional_increment"
    NOTIONAL_TOO_SMALL = "notional_too_small"
    NOTIONAL_TOO_LARGE = "notional_too_large"
    PRICE_MISSING = "price_missing"
    PRICE_INCREMENT = "price_increment"
    PRICE_TOO_FAR = "price_too_far"
    STOP_SIDE = "stop_side"
    POST_ONLY_CROSSES = "post_only_crosses"
    NO_LIQUIDITY = "no_liquidity"
    TYPE_UNSUPPORTED = "type_unsupported"
    TIF_UNSUPPORTED = "tif_unsupported"
    CLASS_UNSUPPORTED = "class_unsupported"
    EXTENDED_HOURS = "extended_hours"
    TIME_WINDOW = "time_window"
    LEG_MISSING = "leg_missing"
    LEG_PRICE = "leg_price"
    # fractions
    NOT_FRACTIONABLE = "not_fractionable"
    FRACTION_TIF = "fraction_tif"
    FRACTION_TYPE = "fraction_type"
    FRACTION_CLASS = "fraction_class"
    FRACTION_SHORT = "fraction_short"
    # the account
    INSUFFICIENT_BUYING_POWER = "insufficient_buying_power"
    INSUFFICIENT_QTY = "insufficient_qty"
    NOT_SHORTABLE = "not_shortable"
    SHORTING_OFF = "shorting_off"
    WASH_TRADE = "wash_trade"
    SUSPENDED = "suspended"
    TOO_MANY_ORDERS = "too_many_orders"
    # orders that exist
    ORDER_UNKNOWN = "order_unknown"
    NOT_CANCELABLE = "not_cancelable"
    NOT_REPLACEABLE = "not_replaceable"
    BELOW_FILLED = "below_filled"
    NOTHING_CHANGED = "nothing_changed"


class RefusalError(Exception):
    """The exchange did not do what was asked, and says so with authority.

    Attributes
    ----------
    reason
        Why.
    facts
        The numbers and ids that a body needs, by name; Decimals and strings.
    """

    def __init__(self, reason: Reason, **facts: object) -> None:
        super().__init__(f"{reason.value} {facts}")
        self.reason = reason
        self.facts: Mapping[str, object] = facts
