from decimal import Decimal

import pytest

from adapters.coinbase import parsing
from adapters.coinbase.constants import Status
from adapters.coinbase.parsing import ParseError


@pytest.mark.parametrize("text", ["", "x", "NaN", "inf", "1_0", "1e99", "0x10", "１", " 1", "1 ", "--1", "9" * 60])
def test_number_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parsing.decimal_of(text)


@pytest.mark.parametrize(
    ("raw", "value"), [("0.10", "0.10"), (5, "5"), (1.5, "1.5"), ("1E-8", "1E-8"), (Decimal("2.50"), "2.50")]
)
def test_number_is_exact(raw: object, value: str) -> None:
    assert str(parsing.decimal_of(raw)) == value


def test_number_absent_is_none() -> None:
    assert parsing.decimal_or_none("") is None
    assert parsing.decimal_or_none(None) is None


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2026-03-02T14:30:00Z", 1772461800_000_000_000),
        ("2026-03-02T14:30:00.1Z", 1772461800_100_000_000),
        ("2026-03-02T14:30:00.123456789Z", 1772461800_123_456_789),
        ("2026-03-02 09:30:00.000000001-05:00", 1772461800_000_000_001),
    ],
)
def test_time_keeps_nanoseconds(text: str, ns: int) -> None:
    assert parsing.time_ns(text) == ns


@pytest.mark.parametrize("raw", ["", None, 5, "2026-03-02", "2026-02-30T00:00:00Z", "1850-01-01T00:00:00Z"])
def test_time_that_is_none_is_refused(raw: object) -> None:
    with pytest.raises(ParseError):
        parsing.time_ns(raw)


def test_created_success_beside_a_failure_reason_is_a_success() -> None:
    answer = parsing.created(
        {"success": True, "failure_reason": "UNKNOWN_FAILURE_REASON", "success_response": {"order_id": "o"}}
    )
    assert answer.order_id == "o"
    assert not answer.error


def test_created_top_level_order_id_is_not_read() -> None:
    with pytest.raises(ParseError):
        parsing.created({"success": True, "order_id": "o"})


def test_created_refused_names_the_reason() -> None:
    answer = parsing.created(
        {
            "success": False,
            "failure_reason": "UNKNOWN_FAILURE_REASON",
            "error_response": {
                "error": "UNKNOWN_FAILURE_REASON",
                "preview_failure_reason": "PREVIEW_INSUFFICIENT_FUND",
            },
        }
    )
    assert answer.error == "PREVIEW_INSUFFICIENT_FUND"


def test_created_without_success_is_in_doubt() -> None:
    with pytest.raises(ParseError):
        parsing.created({"order_id": "o"})


def test_order_status_unknown_is_kept_apart() -> None:
    row = parsing.user_order(
        {"order_id": "o", "product_id": "BTC-USD", "order_side": "BUY", "status": "HALF_OPEN"}, ts_ns=1
    )
    assert row.status is Status.UNKNOWN
    assert row.filled == 0


def test_candle_inconsistent_is_refused() -> None:
    with pytest.raises(ParseError, match="candle_inconsistent"):
        parsing.candle({"start": "0", "open": "2", "high": "1", "low": "1", "close": "1", "volume": "1"})


def test_fill_in_quote_is_converted() -> None:
    row = parsing.fill(
        {
            "trade_id": "t",
            "order_id": "o",
            "product_id": "BTC-USD",
            "side": "BUY",
            "trade_time": "2026-03-02T14:30:00Z",
            "price": "50",
            "size": "100",
            "size_in_quote": True,
        }
    )
    assert row.size == 2
