from decimal import Decimal

import pytest

from adapters.simulator.coinbase_configurations import (
    BadRequestError,
    Force,
    Kind,
    RefusedError,
    read_configuration,
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
    asked = read_configuration({name: fields})
    assert (asked.kind, asked.force) == (kind, force)
    assert (asked.end_ns == 1_795_392_000_000_000_000) == (force is Force.GTD)
    assert asked.post_only == fields.get("post_only", False)


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
