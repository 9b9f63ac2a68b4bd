"""Alpaca's account, clock, calendar and activities."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from adapters.simulator.alpaca_requests import whole_number
from adapters.simulator.alpaca_venue import AlpacaVenue
from adapters.simulator.alpaca_wire import Json, WireError, new_york_text, number, read_time, utc_text
from adapters.simulator.clock import NS_PER_SEC
from adapters.simulator.exchange import Phase, Session, calendar_at
from adapters.simulator.exchange.sessions import NEW_YORK, new_york
from adapters.simulator.tape import ZERO

_ACCOUNT_ID = "1d9eed04-be39-4e01-9b84-a48ac5bbafcf"
_PAGE_LIMIT = 100


def account_of(venue: AlpacaVenue) -> Json:
    """Return the account."""
    exchange, settings = venue.exchange, venue.settings
    ledger, working = exchange.ledger, exchange.working()
    longs = shorts = ZERO
    for position in exchange.positions():
        value = position.qty * exchange.mark(position.listing.symbol)
        longs, shorts = (longs + value, shorts) if value > 0 else (longs, shorts + value)
    equity = ledger.equity()
    power = number(ledger.buying_power(working))
    margin = number((longs + abs(shorts)) / settings.multiplier)
    return {
        "id": _ACCOUNT_ID,
        "account_number": "PA3SIM000000" if settings.is_paper else "SIM000000",
        "status": "ACTIVE",
        "crypto_status": "ACTIVE",
        "currency": "USD",
        "buying_power": power,
        "regt_buying_power": power,
        "effective_buying_power": power,
        "non_marginable_buying_power": number(ledger.cash_power(working)),
        "options_buying_power": number(ledger.cash_power(working)),
        "cash": number(ledger.total("USD")),
        "accrued_fees": "0",
        "pending_transfer_in": "0",
        "portfolio_value": number(equity),
        "equity": number(equity),
        "last_equity": number(settings.cash),
        "long_market_value": number(longs),
        "short_market_value": number(shorts),
        "position_market_value": number(longs + abs(shorts)),
        "initial_margin": margin,
        "maintenance_margin": margin,
        "last_maintenance_margin": "0",
        "sma": number(equity),
        "multiplier": str(settings.multiplier),
        "shorting_enabled": exchange.may_short,
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": exchange.is_suspended,
        "created_at": "2023-01-01T18:20:20.272275Z",
        "balance_asof": new_york(venue.market.clock.wire_now_ns()).date().isoformat(),
        "crypto_tier": 1,
        "options_trading_level": 0,
        "user_configurations": None,
        "admin_configurations": {},
    }


def configure(venue: AlpacaVenue, body: Mapping[str, Any]) -> Json:
    """Change the account's configurations, and return them."""
    for name, value in body.items():
        if name not in venue.configurations:
            raise WireError(422, f"unknown configuration {name}", 40010001)
        venue.configurations[name] = value
    venue.exchange.is_suspended = bool(venue.configurations["suspend_trade"])
    venue.exchange.may_short = venue.settings.multiplier > 1 and not venue.configurations["no_shorting"]
    return venue.configurations


def clock_of(venue: AlpacaVenue) -> Json:
    """Return New York's market clock: whether it is open by venue time, all times as the wire tells them."""
    clock = venue.market.clock
    now_ns = clock.now_ns()
    calendar = calendar_at(now_ns)
    closing = calendar.closing_after(now_ns)
    opening = next(s for s in (closing, calendar.closing_after(closing.close_ns)) if s.open_ns > now_ns)
    return {
        "timestamp": new_york_text(clock.wire_ns(now_ns)),
        "is_open": calendar.phase(now_ns) is Phase.REGULAR,
        "next_open": new_york_text(clock.wire_ns(opening.open_ns) // NS_PER_SEC * NS_PER_SEC),
        "next_close": new_york_text(clock.wire_ns(closing.close_ns) // NS_PER_SEC * NS_PER_SEC),
    }


def calendar_of(venue: AlpacaVenue, start: str | None, end: str | None) -> list[Json]:
    """Return the trading days between two dates, inclusive; a year from now where none are given."""
    today = new_york(venue.market.clock.now_ns()).date()
    try:
        first = date.fromisoformat(start[:10]) if start else today - timedelta(days=365)
        last = date.fromisoformat(end[:10]) if end else today + timedelta(days=30)
    except ValueError as error:
        raise WireError(422, "invalid date", 40010001) from error
    days: list[Session] = []
    for year in range(first.year, last.year + 1):
        noon_ns = int(datetime(year, 7, 1, tzinfo=UTC).timestamp()) * NS_PER_SEC
        days += calendar_at(noon_ns).between(max(first, date(year, 1, 1)), min(last, date(year, 12, 31)))
    settles = [*days[1:], None]
    return [_day(day, after) for day, after in zip(days, settles, strict=True)]


def _day(session: Session, after: Session | None) -> Json:
    def hour(ts_ns: int, form: str) -> str:
        return datetime.fromtimestamp(ts_ns // NS_PER_SEC, tz=NEW_YORK).strftime(form)

    return {
        "date": session.day.isoformat(),
        "open": hour(session.open_ns, "%H:%M"),
        "close": hour(session.close_ns, "%H:%M"),
        "session_open": hour(session.early_ns, "%H%M"),
        "session_close": hour(session.late_ns, "%H%M"),
        "settlement_date": (after.day if after else session.day + timedelta(days=1)).isoformat(),
    }


def activities_of(venue: AlpacaVenue, kinds: set[str], query: Mapping[str, str]) -> list[Json]:
    """Return the account's activities, newest first unless the query says `direction=asc`.

    `after` and `until` are exclusive, `page_token` is the id of the last row of the page before.
    """
    rows: list[tuple[int, Json]] = []
    if not kinds or "FILL" in kinds:
        fills = venue.desk.fills("activities")
        rows += [(venue.market.clock.wire_ns(fill.ts_ns), venue.shapes.activity(fill)) for fill in fills]
    if not kinds or "CFEE" in kinds:
        rows += _crypto_fees(venue)
    rows.sort(key=lambda row: row[0], reverse=query.get("direction", "desc") != "asc")
    after, until = query.get("after"), query.get("until")
    if after:
        after_ns = read_time(after)
        rows = [row for row in rows if row[0] > after_ns]
    if until:
        until_ns = read_time(until)
        rows = [row for row in rows if row[0] < until_ns]
    if query.get("date"):
        rows = [row for row in rows if utc_text(row[0])[:10] == query["date"]]
    told = [row[1] for row in rows]
    token = query.get("page_token")
    if token:
        ids = [row["id"] for row in told]
        told = told[ids.index(token) + 1 :] if token in ids else []
    return told[: min(whole_number(query, "page_size", _PAGE_LIMIT), _PAGE_LIMIT)]


def _crypto_fees(venue: AlpacaVenue) -> list[tuple[int, Json]]:
    """Return the fees of crypto, which are posted at the end of the UTC day that they fell on."""
    clock = venue.market.clock
    today = utc_text(clock.wire_now_ns())[:10]
    rows: list[tuple[int, Json]] = []
    for fill in venue.desk.fills("activities"):
        wire_ns = clock.wire_ns(fill.ts_ns)
        if not fill.fee or utc_text(wire_ns)[:10] >= today:
            continue
        posted_ns = (wire_ns // (86_400 * NS_PER_SEC) + 1) * 86_400 * NS_PER_SEC
        row: Json = {
            "id": f"{utc_text(posted_ns)[:10].replace('-', '')}000000000::{fill.id}",
            "activity_type": "CFEE",
            "date": utc_text(wire_ns)[:10],
            "net_amount": "0",
            "description": "Coin Pair Transaction Fee (Non USD)",
            "symbol": fill.symbol.replace("/", ""),
            "qty": number(-fill.fee),
            "price": number(fill.price),
            "status": "executed",
            "created_at": utc_text(posted_ns),
        }
        rows.append((posted_ns, row))
    return rows


def portfolio_of(venue: AlpacaVenue) -> Json:
    """Return the history of equity: its first value and the present one."""
    equity, start = float(venue.exchange.ledger.equity()), float(venue.settings.cash)
    now = venue.market.clock.wire_now_ns() // NS_PER_SEC
    return {
        "timestamp": [now - 86_400, now],
        "equity": [start, equity],
        "profit_loss": [0.0, equity - start],
        "profit_loss_pct": [0.0, (equity - start) / start if start else 0.0],
        "base_value": start,
        "timeframe": "1D",
    }
