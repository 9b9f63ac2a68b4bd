"""Keys stay out of every text; what guards money has no default and no careless value."""

import pickle
import traceback
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from adapters.alpaca.config import AlpacaExecClientConfig, AlpacaVenueConfig, Caps, Credentials
from tests.unit.alpaca.desk import CAPS
from tests.unit.alpaca.stub import KEY, SECRET


def venue(**changes: Any) -> AlpacaVenueConfig:
    return AlpacaVenueConfig(**({"paper": True} | changes))


def test_credentials_show_nothing() -> None:
    credentials = Credentials(KEY, SECRET)
    shown = f"{credentials} {credentials!r} {[credentials]}"
    assert KEY not in shown
    assert SECRET not in shown
    assert credentials.hide(f"a {KEY} b {SECRET}") == "a *** b ***"
    with pytest.raises(TypeError):
        pickle.dumps(credentials)


def test_configs_hold_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APCA_API_KEY_ID", KEY)
    monkeypatch.setenv("APCA_API_SECRET_KEY", SECRET)
    config = AlpacaExecClientConfig(venue=venue(), caps=CAPS)
    text = f"{config!r} {config.json()!r} {config.dict()}"
    assert KEY not in text
    assert SECRET not in text


def test_missing_key_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APCA_API_KEY_ID", KEY)
    monkeypatch.delenv("APCA_API_SECRET_KEY", raising=False)
    with pytest.raises(ValueError, match="APCA_API_SECRET_KEY") as caught:
        Credentials.from_environment("APCA_API_KEY_ID", "APCA_API_SECRET_KEY")
    assert KEY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("name", ["orders_a_minute", "max_quantity", "max_notional", "max_deviation_frac"])
def test_caps_have_no_default_and_must_be_positive(name: str) -> None:
    fields = {field: getattr(CAPS, field) for field in CAPS.__struct_fields__}
    with pytest.raises(ValueError, match=name):
        Caps(**(fields | {name: type(fields[name])(0)}))
    with pytest.raises(TypeError, match=name):
        Caps(**{field: value for field, value in fields.items() if field != name})


def test_account_kind_has_no_default() -> None:
    with pytest.raises(TypeError):
        AlpacaVenueConfig()
    assert "paper" in venue(paper=True).rest()
    assert "paper" not in venue(paper=False).rest()
    assert venue(rest_url="http://x").rest() == "http://x"


def test_grace_is_at_least_five_seconds() -> None:
    with pytest.raises(ValueError, match="grace_secs"):
        AlpacaExecClientConfig(venue=venue(), caps=CAPS, grace_secs=1.0)


def test_config_goes_through_json() -> None:
    config = AlpacaExecClientConfig(venue=venue(), caps=CAPS, crypto_fee_bps=Decimal("15"))
    again = AlpacaExecClientConfig.parse(config.json())
    assert again.caps == CAPS
    assert again.crypto_fee_bps == 15
    with pytest.raises(msgspec.ValidationError):
        AlpacaExecClientConfig.parse(b'{"venue": {}}')
