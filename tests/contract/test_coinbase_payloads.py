"""Every payload of the venue is parsed or refused for a named reason, and nothing else comes of it."""

import json
import os
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from adapters.coinbase import parsing
from adapters.coinbase.constants import Channel
from adapters.coinbase.parsing import ParseError

FOLDER = Path(os.environ.get("NQS_TEST_DATA", "")) / "venue_payloads" / "coinbase"
TIME = "2026-03-02T14:30:00.123456789Z"

ORDER = {
    "order_id": "8d0a1c2e-0000-4000-8000-000000000001",
    "client_order_id": "T-1",
    "product_id": "ETH-USD",
    "side": "SELL",
    "status": "OPEN",
    "created_time": TIME,
    "last_fill_time": None,
    "filled_size": "0.25",
    "average_filled_price": "2000.10",
    "fee": "",
    "total_fees": "0.31",
    "trigger_status": "STOP_PENDING",
    "reject_reason": "REJECT_REASON_UNSPECIFIED",
    "order_configuration": {
        "stop_limit_stop_limit_gtc": {
            "base_size": "1.5",
            "limit_price": "1890",
            "stop_price": "1900",
            "stop_direction": "STOP_DIRECTION_STOP_DOWN",
        }
    },
}
OURS: list[dict[str, Any]] = [
    {"orders": [ORDER], "has_next": False, "cursor": ""},
    {"order": ORDER},
    {
        "fills": [
            {
                "entry_id": "e",
                "trade_id": "t",
                "order_id": "o",
                "product_id": "ETH-USD",
                "side": "BUY",
                "trade_time": TIME,
                "trade_type": "FILL",
                "price": "2000",
                "size": "1000",
                "size_in_quote": True,
                "commission": "0.1234567",
                "liquidity_indicator": "TAKER",
            }
        ]
    },
    {
        "products": [
            {
                "product_id": "ETH-USD",
                "base_currency_id": "ETH",
                "quote_currency_id": "USD",
                "product_type": "SPOT",
                "price_increment": "0.01",
                "base_increment": "0.00000001",
                "quote_increment": "0.01",
                "base_min_size": "0.0001",
                "base_max_size": "",
                "quote_min_size": "1",
                "quote_max_size": "10000000",
                "status": "online",
                "trading_disabled": "false",
            }
        ]
    },
    {"accounts": [{"currency": "USD", "available_balance": {"value": "10.5"}, "hold": {"value": "0.5"}}]},
    {"candles": [{"start": "1772461800", "open": "2", "high": "3", "low": "1", "close": "2.5", "volume": "7"}]},
    {"trades": [{"trade_id": "7", "product_id": "ETH-USD", "price": "2", "size": "1", "side": "BUY", "time": TIME}]},
    {"success": True, "failure_reason": "UNKNOWN_FAILURE_REASON", "success_response": {"order_id": "o"}},
    {"success": False, "error_response": {"error": "INSUFFICIENT_FUND", "message": "no"}},
    {"success": False, "errors": [{"edit_failure_reason": "CANNOT_EDIT_TO_BELOW_FILLED_SIZE"}]},
    {"results": [{"success": False, "failure_reason": "UNKNOWN_CANCEL_ORDER", "order_id": "o"}]},
    {"errs": ["PREVIEW_INSUFFICIENT_FUND"]},
    {"type": "error", "message": "authentication failure"},
    {
        "channel": "user",
        "timestamp": TIME,
        "sequence_num": 3,
        "events": [
            {
                "type": "update",
                "orders": [
                    {
                        "order_id": "o",
                        "client_order_id": "T-1",
                        "product_id": "ETH-USD",
                        "order_side": "BUY",
                        "status": "SOMETHING_NEW",
                        "cumulative_quantity": "0.3",
                        "avg_price": "100.00",
                        "total_fees": "0.12",
                        "post_only": "true",
                    }
                ],
            }
        ],
    },
    {
        "channel": "l2_data",
        "timestamp": TIME,
        "sequence_num": 0,
        "events": [
            {
                "type": "snapshot",
                "product_id": "ETH-USD",
                "updates": [{"side": "offer", "event_time": TIME, "price_level": "2001", "new_quantity": "0"}],
            }
        ],
    },
    {
        "channel": "ticker",
        "timestamp": TIME,
        "sequence_num": 1,
        "events": [
            {
                "type": "update",
                "tickers": [
                    {
                        "product_id": "ETH-USD",
                        "best_bid": "1",
                        "best_bid_quantity": "2",
                        "best_ask": "1.5",
                        "best_ask_quantity": "1",
                    }
                ],
            }
        ],
    },
]

LISTS: dict[str, Callable[[Any], object]] = {
    "orders": parsing.order,
    "fills": parsing.fill,
    "products": parsing.product,
    "accounts": parsing.balance,
    "candles": parsing.candle,
    "trades": parsing.trade,
}
EVENTS: dict[str, Callable[[dict[str, Any], int], object]] = {
    Channel.USER: parsing.user_orders,
    "l2_data": lambda event, _ts: parsing.book_event(event),
    Channel.MARKET_TRADES: lambda event, _ts: [parsing.trade(row) for row in parsing.rows(event, "trades")],
    Channel.CANDLES: lambda event, _ts: [parsing.candle(row) for row in parsing.rows(event, "candles")],
    Channel.TICKER: lambda event, _ts: [parsing.ticker(row) for row in parsing.rows(event, "tickers")],
    Channel.STATUS: lambda event, _ts: [parsing.status_product(row) for row in parsing.rows(event, "products")],
    Channel.HEARTBEATS: lambda event, _ts: event,
    "subscriptions": lambda event, _ts: event,
}


def read(text: str | bytes) -> object:
    """Read a payload as the adapter would, by its shape."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        raise ParseError("not_json") from None
    if not isinstance(raw, dict):
        raise ParseError("not_an_object")
    if "channel" in raw or raw.get("type") == "error":
        found = parsing.envelope(text)
        if not found.error and found.channel not in EVENTS:
            raise ParseError("unknown_channel", found.channel)
        return [EVENTS[found.channel](event, found.ts_ns) for event in found.events]
    if "pricebook" in raw:
        return parsing.book(raw)
    for key, parse in LISTS.items():
        if key in raw:
            return [parse(row) for row in parsing.rows(raw, key)]
    if "order" in raw:
        return parsing.order(raw["order"])
    if "results" in raw:
        return parsing.cancelled(raw)
    if "errors" in raw:
        return parsing.edited(raw)
    if "errs" in raw:
        return parsing.preview_errors(raw)
    if "success" in raw:
        return parsing.created(raw)
    if "product_id" in raw and "base_increment" in raw:
        return parsing.product(raw)
    raise ParseError("unknown_shape")


def test_payload_of_our_own_is_read() -> None:
    for raw in OURS:
        read(json.dumps(raw))


def test_payload_recorded_is_read_or_refused_by_name() -> None:
    if not FOLDER.is_dir():
        pytest.skip("venue payloads not found: set NQS_TEST_DATA to the folder that holds venue_payloads/")
    files = sorted(FOLDER.rglob("*.json"))
    assert files
    refused: Counter[str] = Counter()
    n_read: Counter[str] = Counter()
    for file in files:
        try:
            read(file.read_bytes())
        except ParseError as error:
            refused[error.reason] += 1
        else:
            n_read[file.parent.name] += 1
    print(dict(refused), dict(n_read))
    # What the venue answers is read: of the recorded answers only those of futures are of no use here.
    futures = {"http_cfm_balance_summary", "http_cfm_position", "http_cfm_positions"}
    answers = [file for file in files if "nautilus" in file.parent.name and file.stem not in futures]
    for file in answers:
        if "futures_balance" not in file.stem:
            read(file.read_bytes())
    assert sum(refused.values()) + sum(n_read.values()) == len(files)
    assert set(refused) <= {"unknown_shape", "unknown_channel", "not_an_object"}


WEIRD: list[object] = [
    None, True, "", "NaN", "Infinity", "-1", "1e400", "1_000", "٣", "9" * 400, 1e308, -0.0, 10**50, [], {}, "\u202e",
    "\ud800", "SOMETHING_NEW", "2026-13-40T99:99:99Z", "0001-01-01T00:00:00Z", [[[]]], {"value": None}, "x" * 5000,
]  # fmt: skip


def mutated(raw: Any, rng: Random) -> str:
    """Return a payload with one to three things changed, or cut."""
    copy = json.loads(json.dumps(raw))
    for _ in range(rng.randint(1, 3)):
        places: list[tuple[Any, Any]] = []
        stack = [copy]
        while stack:
            node = stack.pop()
            children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
            for key, child in list(children):
                places.append((node, key))
                stack.append(child)
        if not places:
            break
        node, key = rng.choice(places)
        what = rng.randrange(4)
        if what == 0 and isinstance(node, dict):
            del node[key]
        elif what == 1 and isinstance(node, dict):
            node[str(rng.choice(WEIRD))[:20]] = node.pop(key)
        else:
            node[key] = deepcopy(rng.choice(WEIRD))
    text = json.dumps(copy)
    return text[: rng.randrange(len(text))] if rng.random() < 0.1 else text


def decimals(value: object) -> list[Any]:
    """Return every number that came out of a payload."""
    if isinstance(value, Decimal):
        return [value]
    if isinstance(value, list | tuple):
        return [number for item in value for number in decimals(item)]
    if isinstance(value, msgspec.Struct):
        return [number for name in value.__struct_fields__ for number in decimals(getattr(value, name))]
    return []


@pytest.mark.parametrize("n_cases", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_payload_mutated_never_crashes(n_cases: int) -> None:
    rng = Random(20260302)
    refused: Counter[str] = Counter()
    for case in range(n_cases):
        text = mutated(OURS[case % len(OURS)], rng)
        try:
            found = read(text)
        except ParseError as error:
            refused[error.reason] += 1
        else:
            assert all(number.is_finite() for number in decimals(found))
    assert refused.total() > n_cases // 10
    assert all(reason.isidentifier() for reason in refused)
