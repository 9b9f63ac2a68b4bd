"""What the venue is known to send is read, or refused for a named reason; mutilated, it is never more than refused."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from adapters.alpaca import market, parsing
from adapters.alpaca.fields import ParseError

NOT_USED = "shape_not_used"

ORDER = {
    "id": "61e69015-8549-4bfd-b9c3-01e75843f47d",
    "client_order_id": "O-1",
    "created_at": "2026-03-02T10:00:00.123456789-05:00",
    "submitted_at": "2026-03-02T15:00:00.12Z",
    "updated_at": "2026-03-02T15:00:00.12Z",
    "filled_at": None,
    "asset_class": "us_equity",
    "symbol": "AAPL",
    "qty": "100",
    "notional": None,
    "filled_qty": "0",
    "filled_avg_price": None,
    "order_class": "bracket",
    "type": "limit",
    "side": "buy",
    "time_in_force": "day",
    "limit_price": "100.10",
    "stop_price": None,
    "status": "accepted",
    "extended_hours": False,
    "legs": [
        {
            "id": "leg-1",
            "client_order_id": "x",
            "symbol": "AAPL",
            "qty": "100",
            "filled_qty": "0",
            "side": "sell",
            "type": "limit",
            "limit_price": "110",
            "status": "held",
        }
    ],
    "replaced_by": None,
    "replaces": None,
}
UPDATE = {
    "event": "partial_fill",
    "execution_id": "e-1",
    "timestamp": "2026-03-02T15:00:01.5Z",
    "price": "100.0625",
    "qty": "30",
    "position_qty": "30",
    "order": {**ORDER, "filled_qty": "30", "filled_avg_price": "100.0625", "status": "partially_filled"},
}
ACTIVITY = {
    "activity_type": "FILL",
    "id": "20260302100001500::11111111-2222-3333-4444-555555555555",
    "order_id": ORDER["id"],
    "cum_qty": "30",
    "leaves_qty": "70",
    "qty": "30",
    "price": "100.0625",
    "side": "buy",
    "symbol": "AAPL",
    "transaction_time": "2026-03-02T15:00:01.5Z",
    "type": "partial_fill",
}
ACCOUNT = {
    "account_number": "PA1",
    "currency": "USD",
    "cash": "1",
    "equity": "2",
    "buying_power": "3",
    "multiplier": "2",
}
POSITION = {
    "symbol": "AAPL",
    "asset_class": "us_equity",
    "qty": "-5",
    "qty_available": "-5",
    "side": "short",
    "avg_entry_price": "100",
    "unrealized_pl": "-1.5",
}
ASSET = {
    "symbol": "BTC/USD",
    "class": "crypto",
    "exchange": "CRYPTO",
    "name": "Bitcoin",
    "status": "active",
    "tradable": True,
    "fractionable": True,
    "min_order_size": "0.0001",
    "min_trade_increment": "0.000000001",
    "price_increment": "0.01",
}
NEWS = {"id": 1, "headline": "h", "created_at": "2026-03-02T15:00:00Z", "symbols": ["AAPL"], "source": "s", "url": "u"}
QUOTE = {"S": "AAPL", "bp": 100.1, "ap": 100.2, "bs": 100, "as": 200, "t": "2026-03-02T15:00:00.123456789Z"}
TRADE = {"S": "AAPL", "p": 100.1, "s": 10, "i": 1, "t": "2026-03-02T15:00:00Z"}
BAR = {"S": "AAPL", "o": 1, "h": 2, "l": 1, "c": 1.5, "v": 10, "t": "2026-03-02T15:00:00Z"}

OURS: list[tuple[str, Callable[[Any], object], dict[str, Any]]] = [
    ("order", parsing.parse_order, ORDER),
    ("trade_update", parsing.parse_trade_update, UPDATE),
    ("fill", parsing.parse_fill, ACTIVITY),
    ("account", parsing.parse_account, ACCOUNT),
    ("position", parsing.parse_position, POSITION),
    ("asset", parsing.parse_asset, ASSET),
    ("news", market.parse_article, NEWS),
    ("quote", market.parse_quote, QUOTE),
    ("trade", market.parse_trade, TRADE),
    ("bar", market.parse_bar, BAR),
]


def with_symbol(parse: Callable[..., object]) -> Callable[[Any], object]:
    # Rows of the history do not name their symbol: the page does.
    return lambda raw: parse(raw, "" if "S" in raw else "X")


SHAPES: list[tuple[set[str], Callable[[Any], object]]] = [
    ({"event", "order"}, parsing.parse_trade_update),
    ({"activity_type", "order_id"}, parsing.parse_fill),
    ({"client_order_id", "id", "status"}, parsing.parse_order),
    ({"avg_entry_price", "qty", "side"}, parsing.parse_position),
    ({"tradable", "symbol", "exchange"}, parsing.parse_asset),
    ({"account_number", "cash"}, parsing.parse_account),
    ({"headline", "id"}, market.parse_article),
    ({"ap", "bp", "t"}, with_symbol(market.parse_quote)),
    ({"o", "h", "l", "c", "t"}, with_symbol(market.parse_bar)),
    ({"p", "s", "t", "i"}, with_symbol(market.parse_trade)),
    ({"code", "message"}, lambda raw: parsing.parse_error(400, json.dumps(raw))),
]


def parts(raw: object) -> Iterator[tuple[Callable[[Any], object], dict[str, Any]]]:
    """Yield each part of a payload that one of the parsers is for."""
    if isinstance(raw, list):
        for item in raw:
            yield from parts(item)
    elif isinstance(raw, dict):
        for keys, parse in SHAPES:
            if keys <= raw.keys():
                yield parse, raw
                return
        for value in raw.values():
            yield from parts(value)


def read(raw: object, counts: Counter[str]) -> None:
    found = False
    for parse, part in parts(raw):
        found = True
        try:
            parse(part)
        except ParseError as error:
            counts[error.reason] += 1
        else:
            counts["read"] += 1
    if not found:
        counts[NOT_USED] += 1


@pytest.fixture(scope="module")
def recorded() -> list[Path]:
    text = os.environ.get("NQS_TEST_DATA", "")
    folder = Path(text) / "venue_payloads" / "alpaca"
    if not text or not folder.is_dir():
        pytest.skip("recorded payloads not found: set NQS_TEST_DATA to the folder that holds venue_payloads/")
    return sorted(folder.rglob("*.json"))


def test_recorded_payloads_are_each_read_or_refused_by_name(recorded: list[Path]) -> None:
    counts: Counter[str] = Counter()
    for path in recorded:
        before = counts.total()
        read(json.loads(path.read_text(encoding="utf-8")), counts)
        assert counts.total() > before, path.name
    assert counts["read"] > 200
    # Symbols that the documentation writes as words in brackets.
    assert set(counts) <= {"read", NOT_USED, "order_symbol_invalid", "position_symbol_invalid"}, counts


@pytest.mark.parametrize(("name", "parse", "raw"), OURS, ids=[name for name, *_ in OURS])
def test_payload_of_our_own_is_read(name: str, parse: Callable[[Any], object], raw: dict[str, Any]) -> None:
    assert parse(json.loads(json.dumps(raw))) is not None


def test_order_keeps_every_digit_and_every_nanosecond() -> None:
    order = parsing.parse_order(ORDER)
    assert str(order.limit_price) == "100.10"
    assert order.submitted_ns % 1_000_000_000 == 120_000_000
    earlier = parsing.parse_order({**ORDER, "submitted_at": None})
    assert order.submitted_ns - earlier.submitted_ns == -3_456_789


def test_unknown_words_become_unknown_and_not_an_error() -> None:
    order = parsing.parse_order({**ORDER, "status": "levitating", "type": "vwap", "asset_class": "moon"})
    assert {order.state.value, order.kind.value, order.asset_class.value} == {"unknown"}
    assert parsing.parse_trade_update({**UPDATE, "event": "teleported"}).event.value == "unknown"


@pytest.mark.parametrize(
    ("parse", "raw", "reason"),
    [
        (parsing.parse_order, {**ORDER, "id": ""}, "order_id_missing"),
        (parsing.parse_order, {**ORDER, "id": None}, "order_id_missing"),
        (parsing.parse_order, {**ORDER, "filled_qty": "NaN"}, "filled_qty_not_finite"),
        (parsing.parse_order, {**ORDER, "qty": "1e400"}, "qty_too_large"),
        (parsing.parse_order, {**ORDER, "qty": True}, "qty_not_a_number"),
        (parsing.parse_order, {**ORDER, "side": "sideways"}, "order_side_invalid"),
        (parsing.parse_order, [], "order_not_an_object"),
        (parsing.parse_trade_update, {**UPDATE, "price": None}, "price_null"),
        (parsing.parse_trade_update, {**UPDATE, "qty": "31"}, "execution_past_total"),
        (parsing.parse_fill, {**ACTIVITY, "cum_qty": "29"}, "activity_qty_invalid"),
        (market.parse_quote, {**QUOTE, "t": "yesterday"}, "t_not_a_time"),
        (market.parse_bar, {**BAR, "h": 1}, "bar_inconsistent"),
    ],
)
def test_invalid_payload_is_refused_by_name(parse: Callable[[Any], object], raw: object, reason: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(raw)
    assert caught.value.reason == reason


@pytest.mark.parametrize("text", ["", "<html>502</html>", "[]", "null", "{", '{"code":' + "9" * 5000 + "}", "\x00"])
def test_error_body_of_any_kind_is_read(text: str) -> None:
    body = parsing.parse_error(502, text)
    assert len(body.message) <= 400


POISON: list[object] = [
    None, True, False, 0, -1, 1e308, float("nan"), float("inf"), 10**400, "", " ", "NaN", "Infinity", "1e999999", "-1",
    "1_000", "٣", "\ud800", "🚀" * 50, "x" * 100_000, [], {}, [[[]]], {"a": {}}, "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59", "2026-02-30T00:00:00Z", "unknown", b"\xff",
]  # fmt: skip


def mutate(raw: Any, rng: Random) -> Any:
    """Return the payload with one part of it replaced, dropped, added or cut off."""
    target, path = raw, []
    while isinstance(target, dict | list) and target and rng.random() < 0.8:
        key = rng.choice(list(target)) if isinstance(target, dict) else rng.randrange(len(target))
        path.append(key)
        target = target[key]
    copy = json.loads(json.dumps(raw))
    if not path:
        return rng.choice(POISON)
    holder = copy
    for key in path[:-1]:
        holder = holder[key]
    choice = rng.random()
    if choice < 0.7:
        holder[path[-1]] = rng.choice(POISON)
    elif choice < 0.85 or isinstance(holder, list):
        del holder[path[-1]]
    else:
        holder[str(rng.choice(POISON))[:20]] = rng.choice(POISON)
    return copy


def mutations(times: int, seed: int) -> Counter[str]:
    rng = Random(seed)
    counts: Counter[str] = Counter()
    for _ in range(times):
        _, parse, raw = rng.choice(OURS)
        mutant: Any = raw
        for _ in range(rng.randint(1, 4)):
            if isinstance(mutant, dict | list):
                try:
                    mutant = mutate(mutant, rng)
                except (TypeError, ValueError):  # a mutant that JSON cannot carry is handed over as it is
                    break
        try:
            parse(mutant)
        except ParseError as error:
            counts[error.reason] += 1
        else:
            counts["read"] += 1
    return counts


def test_mutilated_payloads_are_read_or_refused() -> None:
    counts = mutations(1_000, seed=1)
    assert counts.total() == 1_000
    assert counts["read"] < 900


@pytest.mark.slow
def test_many_mutilated_payloads_are_read_or_refused() -> None:
    assert mutations(10_000, seed=2).total() == 10_000


@pytest.mark.parametrize("cut", range(0, 200, 7))
def test_truncated_text_is_refused_by_the_decoder_or_the_parser(cut: int) -> None:
    text = json.dumps(UPDATE)[: -cut or None]
    try:
        raw = json.loads(text)
    except json.JSONDecodeError:
        return
    parsing.parse_trade_update(raw)
