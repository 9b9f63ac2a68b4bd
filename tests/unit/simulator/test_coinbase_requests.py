import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from adapters.simulator.coinbase_auth import ApiKey, Keyring, issue_key
from adapters.simulator.coinbase_configurations import BadRequestError
from adapters.simulator.coinbase_requests import PREFIX, NotFoundError, Route, Router

NOW = 1_790_000_000
HOST = "127.0.0.1:8080"


def echo(request):
    return {"names": dict(request.names), "query": dict(request.query), "body": request.body}


def missing(_request):
    raise NotFoundError("no such order")


ROUTES = (
    Route("GET", "/orders/historical/batch", echo),
    Route("GET", "/orders/historical/{order_id}", echo),
    Route("GET", "/orders/missing/{order_id}", missing),
    Route("POST", "/orders", echo, "trade"),
    Route("GET", "/time", echo, ""),
)


@pytest.fixture(scope="module")
def issued():
    return issue_key()


@pytest.fixture(scope="module")
def router(issued):
    return Router(ROUTES, Keyring(issued.key), lambda: NOW)


def headers(issued, method, path):
    private = serialization.load_pem_private_key(issued.secret.encode(), password=None)
    claims = {"sub": issued.name, "iss": "cdp", "nbf": NOW, "exp": NOW + 120, "uri": f"{method} {HOST}{path}"}
    token = jwt.encode(claims, private, algorithm="ES256", headers={"kid": issued.name, "nonce": "n"})
    return {"host": HOST, "authorization": f"Bearer {token}"}


def test_the_first_route_that_matches_answers(router):
    answer = router.answer("GET", f"{PREFIX}/orders/historical/batch", query="", body=b"{}", key=None)
    assert answer.body["names"] == {}
    answer = router.answer("GET", f"{PREFIX}/orders/historical/o-1", query="", body=b"{}", key=None)
    assert answer.body["names"] == {"order_id": "o-1"}


def test_a_key_is_admitted_to_the_resource_its_token_names(router, issued):
    path = f"{PREFIX}/orders/historical/o-1"
    assert isinstance(router.admit("GET", path, headers(issued, "GET", path)), ApiKey)
    elsewhere = headers(issued, "GET", f"{PREFIX}/orders/historical/o-2")
    assert router.admit("GET", path, elsewhere).status == 401


@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer x", "Basic eDp5"])
def test_who_cannot_be_known_gets_plain_text(router, authorization):
    answer = router.admit("POST", f"{PREFIX}/orders", {"host": HOST} | ({"authorization": authorization or ""}))
    assert (answer.status, answer.body) == (401, "Unauthorized\n")


def test_a_public_resource_asks_nobody(router):
    assert router.admit("GET", f"{PREFIX}/time", {}) is None


def test_a_key_that_may_only_look_may_not_trade(issued):
    viewer = Router(ROUTES, Keyring(ApiKey(issued.name, issued.key.public_key, can_trade=False)), lambda: NOW)
    path = f"{PREFIX}/orders"
    answer = viewer.admit("POST", path, headers(issued, "POST", path))
    assert (answer.status, answer.body["error_details"]) == (403, "Missing required scopes")


def test_what_does_not_exist_is_told_to_the_known_only(router, issued):
    path = f"{PREFIX}/nothing"
    assert router.admit("GET", path, headers(issued, "GET", path)).status == 404
    assert router.admit("GET", path, {"host": HOST}).status == 401
    assert router.answer("GET", f"{PREFIX}/orders/missing/1", query="", body=b"", key=None).status == 404
    assert router.answer("DELETE", f"{PREFIX}/orders", query="", body=b"", key=None).status == 404


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff"])
def test_a_body_that_is_no_object_is_a_bad_request(router, body):
    answer = router.answer("POST", f"{PREFIX}/orders", query="", body=body, key=None)
    assert (answer.status, answer.body["error"]) == (400, "INVALID_ARGUMENT")


def test_parameters_repeat_and_booleans_are_capitalised(issued):
    seen = []
    router = Router((Route("GET", "/x", lambda r: seen.append(r) or {}),), Keyring(), lambda: NOW)
    query = "order_status=OPEN&order_status=PENDING&a=True&b=False&c=true&limit=900"
    router.answer("GET", f"{PREFIX}/x", query=query, body=b"{}", key=None)
    (request,) = seen
    assert request.texts("order_status") == ["OPEN", "PENDING"]
    assert [request.flag(name) for name in "abcd"] == [True, False, True, False]
    assert (request.count("limit", 49, 250), request.count("none", 49, 250)) == (250, 49)
    for name in ("a", "b"):
        with pytest.raises(BadRequestError):
            request.count(name, 1, 2)
    with pytest.raises(BadRequestError, match="size is required"):
        request.field("size")
