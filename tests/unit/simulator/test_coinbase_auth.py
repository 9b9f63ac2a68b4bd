import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from adapters.simulator.coinbase_auth import Keyring, TokenError, issue_key

URI = "GET 127.0.0.1:1/api/v3/brokerage/accounts"
NOW = 1_790_000_000


@pytest.fixture(scope="module")
def issued():
    return issue_key()


def token(issued, *, algorithm="ES256", headers=None, secret=None, **claims):
    private = serialization.load_pem_private_key((secret or issued.secret).encode(), password=None)
    body = {"sub": issued.name, "iss": "cdp", "nbf": NOW, "exp": NOW + 120, "uri": URI} | claims
    body = {name: value for name, value in body.items() if value is not None}
    return jwt.encode(body, private, algorithm=algorithm, headers={"kid": issued.name, "nonce": "n"} | (headers or {}))


@pytest.mark.parametrize(("kind", "algorithm"), [("ec", "ES256"), ("ed25519", "EdDSA")])
def test_a_token_of_either_kind_is_known(kind, algorithm):
    issued = issue_key(kind)
    key = Keyring(issued.key).verify_rest(token(issued, algorithm=algorithm), uri=URI, now_secs=NOW)
    assert key.name == issued.name


@pytest.mark.parametrize(
    "claims",
    [
        {"uri": "POST 127.0.0.1:1/api/v3/brokerage/accounts"},
        {"uri": URI + "?limit=1"},
        {"uri": None},
        {"iss": "coinbase-cloud"},
        {"sub": "another"},
        {"nbf": NOW + 61},
        {"exp": NOW - 60},
        {"exp": None},
        {"headers": {"kid": "nobody"}},
        {"headers": {"nonce": ""}},
    ],
)
def test_a_token_with_one_thing_wrong_is_refused(issued, claims):
    ring = Keyring(issued.key)
    ring.verify_rest(token(issued), uri=URI, now_secs=NOW)
    with pytest.raises(TokenError):
        ring.verify_rest(token(issued, **claims), uri=URI, now_secs=NOW)


def test_a_clock_within_the_skew_is_accepted(issued):
    ring = Keyring(issued.key)
    assert ring.verify_rest(token(issued, nbf=NOW + 60), uri=URI, now_secs=NOW)
    assert ring.verify_rest(token(issued, exp=NOW - 59), uri=URI, now_secs=NOW)


def test_the_algorithm_is_the_keys_and_not_the_tokens(issued):
    forged = jwt.encode(
        {"sub": issued.name, "iss": "cdp", "nbf": NOW, "exp": NOW + 120, "uri": URI},
        "x" * 32,
        algorithm="HS256",
        headers={"kid": issued.name, "nonce": "n"},
    )
    with pytest.raises(TokenError, match="alg must be ES256"):
        Keyring(issued.key).verify_rest(forged, uri=URI, now_secs=NOW)


def test_another_private_key_under_the_same_name_is_refused(issued):
    with pytest.raises(TokenError, match="signature"):
        Keyring(issued.key).verify_rest(token(issued, secret=issue_key().secret), uri=URI, now_secs=NOW)


def test_a_revoked_key_is_refused(issued):
    ring = Keyring(issued.key)
    ring.revoke(issued.name)
    with pytest.raises(TokenError, match="revoked"):
        ring.verify_rest(token(issued), uri=URI, now_secs=NOW)


def test_a_socket_token_names_no_uri(issued):
    ring = Keyring(issued.key)
    assert ring.verify_socket(token(issued, uri=None), now_secs=NOW)
    with pytest.raises(TokenError, match="names no uri"):
        ring.verify_socket(token(issued), now_secs=NOW)


@pytest.mark.parametrize("text", ["", "a.b.c", "Bearer"])
def test_what_is_no_token_is_refused(issued, text):
    with pytest.raises(TokenError, match="not a token"):
        Keyring(issued.key).verify_rest(text, uri=URI, now_secs=int(time.time()))


def test_a_secret_is_not_printed(issued):
    assert "PRIVATE" not in repr(issued)
