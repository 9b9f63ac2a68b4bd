import json

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from adapters.simulator.coinbase_auth import Keyring, issue_key
from adapters.simulator.coinbase_sessions import Endpoint, Session, frame_of

NOW_SECS = 1_790_000_000


class Shelf:
    """A venue with two products, one of them under two names, whose snapshots come in two frames."""

    def canonical(self, product_id):
        return {"BTC-USD": "BTC-USD", "BTC-USDC": "BTC-USD", "ETH-USD": "ETH-USD"}.get(product_id)

    def snapshots(self, channel, product_ids):
        return [[{"type": "snapshot", "of": channel}]] * 2 if channel in ("user", "level2") else []


@pytest.fixture(scope="module")
def issued():
    return issue_key()


def token(issued, **claims):
    private = serialization.load_pem_private_key(issued.secret.encode(), password=None)
    body = {"sub": issued.name, "iss": "cdp", "nbf": NOW_SECS, "exp": NOW_SECS + 120} | claims
    return jwt.encode(body, private, algorithm="ES256", headers={"kid": issued.name, "nonce": "n"})


def session(issued, endpoint=Endpoint.MARKET, **options):
    return Session(
        endpoint,
        keyring=Keyring(issued.key),
        feed=Shelf(),
        now_ns=lambda: NOW_SECS * 1_000_000_000 + 1,
        now_secs=lambda: NOW_SECS,
        user_id="me",
        **options,
    )


def ask(session, channel, *product_ids, kind="subscribe", **more):
    message = {"type": kind, "channel": channel, "product_ids": product_ids, **more}
    return [session.numbered(frame) for frame in session.receive(json.dumps(message))]


def test_a_subscription_begins_with_its_snapshots_then_is_acknowledged(issued):
    line = session(issued)
    frames = ask(line, "level2", "BTC-USDC", "ETH-USD")
    assert [frame["channel"] for frame in frames] == ["l2_data", "l2_data", "subscriptions"]
    assert [frame["sequence_num"] for frame in frames] == [0, 1, 2]
    assert frames[-1]["events"] == [{"subscriptions": {"level2": ["BTC-USD", "ETH-USD"]}}]
    assert frames[0]["timestamp"] == "2026-09-21T14:13:20.000000001Z"
    assert line.wants("level2", "BTC-USD")
    assert not line.wants("level2", "SOL-USD")
    assert not line.wants("ticker", "BTC-USD")


def test_sequence_numbers_run_through_all_channels_of_a_connection(issued):
    line = session(issued)
    ask(line, "heartbeats")
    ask(line, "ticker", "BTC-USD")
    assert line.numbered(frame_of("ticker", []))["sequence_num"] == 2
    assert session(issued).numbered(frame_of("ticker", []))["sequence_num"] == 0


def test_the_client_id_can_be_absent(issued):
    assert ask(session(issued), "heartbeats")[0]["client_id"] == ""
    assert "client_id" not in ask(session(issued, has_client_id=False), "heartbeats")[0]


def test_the_account_is_told_to_its_key_only(issued):
    line = session(issued, Endpoint.USER)
    good = token(issued)
    for bad in ({}, {"jwt": ""}, {"jwt": good[:-8] + "AAAAAAAA"}, {"jwt": token(issue_key())}):
        assert ask(line, "user", **bad) == [{"type": "error", "message": "authentication failure"}]
    assert not line.wants("user")
    frames = ask(line, "user", jwt=good)
    assert frames[-1]["events"] == [{"subscriptions": {"user": ["me"]}}]
    assert line.wants("user", "BTC-USD")


def test_a_wrong_token_is_refused_on_public_channels_too(issued):
    assert ask(session(issued), "heartbeats", jwt="x")[0]["message"] == "authentication failure"


def test_an_expired_token_does_not_subscribe(issued):
    old = token(issued, nbf=NOW_SECS - 400, exp=NOW_SECS - 280)
    assert ask(session(issued, Endpoint.USER), "user", jwt=old)[0]["message"] == "authentication failure"


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"type":"subscribe"}',
        '{"type":"listen","channel":"heartbeats"}',
        '{"type":"subscribe","channel":"l2_data","product_ids":["BTC-USD"]}',
        '{"type":"subscribe","channel":"level2","product_ids":["XXX-USD"]}',
        '{"type":"subscribe","channel":"level2","product_ids":"BTC-USD"}',
        '{"type":"subscribe","channel":"level2"}',
    ],
)
def test_what_cannot_be_served_is_an_error_without_channel_or_number(issued, text):
    line = session(issued)
    (frame,) = line.receive(text)
    assert set(frame) == {"type", "message"}
    assert line.numbered(frame_of("status", []))["sequence_num"] == 0


def test_market_channels_are_not_on_the_user_socket(issued):
    assert ask(session(issued, Endpoint.USER), "level2", "BTC-USD")[0]["type"] == "error"


def test_unsubscribing_takes_products_or_the_channel(issued):
    line = session(issued)
    ask(line, "ticker", "BTC-USD", "ETH-USD")
    ask(line, "heartbeats")
    ask(line, "ticker", "ETH-USD", kind="unsubscribe")
    assert line.products("ticker") == ("BTC-USD",)
    (frame,) = ask(line, "heartbeats", kind="unsubscribe")
    assert frame["events"] == [{"subscriptions": {"ticker": ["BTC-USD"]}}]
    ask(line, "ticker", "BTC-USD", kind="unsubscribe")
    assert not line.wants("ticker")
    assert line.has_subscribed
    assert not session(issued).has_subscribed


def test_a_forgotten_subscription_is_told_to_nobody(issued):
    line = session(issued)
    ask(line, "ticker", "BTC-USD")
    line.forget("ticker")
    assert not line.wants("ticker", "BTC-USD")
