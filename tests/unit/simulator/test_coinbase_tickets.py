from decimal import Decimal

import pytest

from adapters.simulator.coinbase_tickets import (
    BadRequestError,
    Force,
    Grid,
    Kind,
    RefusedError,
    check_grid,
    read_configuration,
)

GRID = Grid(
    base_increment=Decimal("0.00000001"),
    quote_increment=Decimal("0.01"),
    price_increment=Decimal("0.01"),
    base_min_size=Decimal("0.0001"),
    base_max_size=Decimal(100),
    quote_min_size=Decimal(1),
    quote_max_size=Decimal(1_000_000),
)
LIMIT = {"base_size": "0.01", "limit_price": "50000"}
STOP = LIMIT | {"stop_price": "51000", "stop_direction": "STOP_DIRECTION_STOP_UP"}
BRACKET = LIMIT | {"stop_trigger_price": "45000"}
END = {"end_time": "2026-11-23T00:00:00Z"}


@pytest.mark.parametrize(
    ("name", "fields", "kind", "force"),
    [
        ("market_market_ioc", {"quote_size": "10"}, Kind.MARKET, Force.IOC),
        ("market_market_ioc", {"base_size": "1"}, Kind.MARKET, Force.IOC),
        ("sor_limit_ioc", LIMIT, Kind.LIMIT, Force.IOC),
        ("limit_limit_gtc", LIMIT | {"post_only": True}, Kind.LIMIT, Force.GTC),
        ("limit_limit_gtd", LIMIT | END, Kind.LIMIT, Force.GTD),
        ("limit_limit_fok", LIMIT, Kind.LIMIT, Force.FOK),
        ("stop_limit_stop_limit_gtc", STOP, Kind.STOP_LIMIT, Force.GTC),
        ("stop_limit_stop_limit_gtd", STOP | END, Kind.STOP_LIMIT, Force.GTD),
        ("trigger_bracket_gtc", BRACKET, Kind.BRACKET, Force.GTC),
        ("trigger_bracket_gtd", BRACKET | END, Kind.BRACKET, Force.GTD),
    ],
)
def test_every_configuration_is_read(name, fields, kind, force):
    ticket = read_configuration({name: fields})
    assert (ticket.kind, ticket.force) == (kind, force)
    assert (ticket.end_ns == 1_795_392_000_000_000_000) == (force is Force.GTD)
    assert ticket.post_only == fields.get("post_only", False)
    check_grid(ticket, GRID)


@pytest.mark.parametrize(
    "configuration",
    [
        None,
        {},
        {"limit_limit_gtc": LIMIT, "limit_limit_fok": LIMIT},
        {"limit_limit_day": LIMIT},
        {"limit_limit_gtc": "x"},
        {"limit_limit_gtc": LIMIT | {"size": "1"}},
        {"limit_limit_gtc": {"base_size": "1"}},
        {"limit_limit_gtc": LIMIT | {"base_size": 0.01}},
        {"limit_limit_gtc": LIMIT | {"base_size": "NaN"}},
        {"limit_limit_gtc": LIMIT | {"base_size": "-1"}},
        {"limit_limit_gtc": LIMIT | {"base_size": "one"}},
        {"limit_limit_gtc": LIMIT | {"post_only": "true"}},
        {"limit_limit_gtc": LIMIT | {"quote_size": "10"}},
        {"limit_limit_gtd": LIMIT},
        {"limit_limit_gtd": LIMIT | {"end_time": "2026-11-23T00:00:00"}},
        {"market_market_ioc": {}},
        {"stop_limit_stop_limit_gtc": LIMIT | {"stop_price": "1"}},
        {"trigger_bracket_gtc": LIMIT},
    ],
)
def test_what_cannot_be_read_is_a_bad_request(configuration):
    with pytest.raises(BadRequestError):
        read_configuration(configuration)


@pytest.mark.parametrize(
    ("name", "fields", "preview", "error"),
    [
        ("limit_limit_gtc", {"limit_price": "50000.001"}, "INVALID_PRICE_PRECISION", "INVALID_PRICE_PRECISION"),
        ("limit_limit_gtc", {"base_size": "0.010000001"}, "INVALID_SIZE_PRECISION", "INVALID_SIZE_PRECISION"),
        ("limit_limit_gtc", {"base_size": "0.00001"}, "INVALID_BASE_SIZE_TOO_SMALL", "UNKNOWN_FAILURE_REASON"),
        ("limit_limit_gtc", {"base_size": "101"}, "INVALID_BASE_SIZE_TOO_LARGE", "UNKNOWN_FAILURE_REASON"),
    ],
)
def test_what_lies_off_the_grid_is_refused_by_name(name, fields, preview, error):
    with pytest.raises(RefusedError) as caught:
        check_grid(read_configuration({name: LIMIT | fields}), GRID)
    assert (caught.value.preview, caught.value.error) == (f"PREVIEW_{preview}", error)


@pytest.mark.parametrize(
    ("size", "preview"),
    [("0.5", "TOO_SMALL"), ("10.001", "PRECISION"), ("2000000", "TOO_LARGE")],
)
def test_a_quote_size_off_the_grid_is_refused(size, preview):
    with pytest.raises(RefusedError, match=f"PREVIEW_INVALID_QUOTE_SIZE_{preview}"):
        check_grid(read_configuration({"market_market_ioc": {"quote_size": size}}), GRID)


def test_what_spot_does_not_take_is_unsupported():
    for name in ("market_market_fok", "twap_limit_gtd"):
        with pytest.raises(RefusedError) as caught:
            read_configuration({name: {"quote_size": "10"}})
        assert caught.value.error == "UNSUPPORTED_ORDER_CONFIGURATION"


def test_an_attached_bracket_has_no_size():
    attached = read_configuration(
        {"trigger_bracket_gtc": {"limit_price": "60000", "stop_trigger_price": "45000"}}, is_attached=True
    )
    assert (attached.base_size, attached.limit_price, attached.stop_price) == (None, Decimal(60000), Decimal(45000))
    for name, fields in [("trigger_bracket_gtc", BRACKET), ("limit_limit_gtc", {"limit_price": "1"})]:
        with pytest.raises(RefusedError):
            read_configuration({name: fields}, is_attached=True)
