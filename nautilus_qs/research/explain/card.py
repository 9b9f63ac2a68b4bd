"""The card of one bar: typed, complete, and equal to what `nqs explain --json` prints."""

from msgspec import Struct


class CheckCard(Struct, frozen=True):
    """One limit, judged: the value found, the limit it was held against, and whether it passed."""

    name: str
    passed: bool
    value: float | None
    limit: float | None
    detail: str = ""


class OrderCard(Struct, frozen=True, kw_only=True):
    """One event of one order that followed the decision; ``price`` of a fill is what was paid."""

    at: str
    leg: str
    event: str
    side: str
    order_type: str
    quantity: float
    price: float | None
    trigger_px: float | None
    reason: str = ""


class FillCard(Struct, frozen=True, kw_only=True):
    """One execution that followed the decision."""

    at: str
    leg: str
    side: str
    quantity: float
    price: float
    commission: float
    slippage_bps: float


class TradeCard(Struct, frozen=True, kw_only=True):
    """What became of the position: from first fill to flat."""

    entry_at: str
    entry_px: float
    exit_at: str
    exit_px: float
    quantity: float
    pnl: float
    return_frac: float
    r_multiple: float | None
    exit_reason: str
    mae: float
    mfe: float
    bars_held: int


class DecisionCard(Struct, frozen=True, kw_only=True):
    """What a strategy asked on this bar, and what the desk answered.

    ``would_trade`` says what had to be different for a refused proposal; "" for a granted one.
    """

    decision_id: str
    action: str
    side: str
    reason: str
    confidence: float
    reference_px: float
    stop_px: float | None
    target_px: float | None
    regime: str
    weight: float
    equity: float
    risk_fraction: float
    multipliers: dict[str, float]
    checks: tuple[CheckCard, ...]
    asked: float
    granted: float
    verdict: str
    failed_check: str
    would_trade: str
    orders: tuple[OrderCard, ...]
    fills: tuple[FillCard, ...]
    trade: TradeCard | None


class StrategyCard(Struct, frozen=True, kw_only=True):
    """What one strategy made of the bar.

    ``outcome`` is that of the signal row ("unrecorded" when there is only a decision); ``nearness`` is 1 when the rule
    fired. ``conditions`` are the rule's conditions as sentences with numbers, for the rules this project ships.
    ``open_since`` and ``stop_px`` describe the position that was open on the bar, if one was.
    """

    strategy: str
    outcome: str
    nearness: float | None
    numbers: dict[str, float]
    conditions: tuple[str, ...]
    open_since: str
    stop_px: float | None
    decisions: tuple[DecisionCard, ...]


class RegimeCard(Struct, frozen=True, kw_only=True):
    """The last regime known at the bar's close."""

    at: str
    regime: str
    label: str
    confidence: float
    count: int
    slope_deg: float | None
    atr_ratio: float | None
    vix: float | None
    breadth: float | None


class Card(Struct, frozen=True, kw_only=True):
    """Everything the run recorded about one bar of one instrument. Times are ISO text in UTC."""

    run_id: str
    instrument_id: str
    at: str
    ts: int
    close: float | None
    regime: RegimeCard | None
    strategies: tuple[StrategyCard, ...]
