"""The facts the system records, one frozen struct a table: Parquet columns today, SQL columns later.

Every row starts with the same five fields (:class:`Row`). Times are UTC nanoseconds (int64). Nested values
(``numbers``, ``checks``, ``multipliers``) are JSON text, so that every store keeps them alike. Quantities, prices and
money are ``Decimal`` in the struct; Parquet stores them as float64 (15 significant digits, which the increments of
every supported venue fit), SQL as NUMERIC. Facts are appended, never updated.
"""

from decimal import Decimal

from msgspec import Struct


class Row(Struct, frozen=True, kw_only=True):
    """What every row carries: whose it is, where it happened, and the batch it belongs to."""

    run_id: str
    trader_id: str
    account_id: str
    mode: str
    ts_batch: int


class DecisionRow(Row, frozen=True, kw_only=True):
    """One proposal, taken or not, with the chain of reasons."""

    decision_id: str
    strategy: str
    instrument_id: str
    action: str
    side: str
    confidence: float
    reference_px: float
    stop_px: float | None
    target_px: float | None
    reason: str
    numbers: str
    regime: str
    weight: float
    equity: Decimal
    risk_fraction: float
    multiplier_drawdown: float
    multiplier_sentiment: float
    multiplier_rl: float
    multiplier_performance: float
    checks: str
    quantity_asked: Decimal
    quantity_granted: Decimal
    verdict: str
    failed_check: str
    client_order_id: str


class SignalRow(Row, frozen=True, kw_only=True):
    """One bar of one strategy on one instrument: the rule's numbers, and how near an entry was (1 = fired).

    ``outcome`` is one of: quiet, entry, exit, held (an entry signal while a position or entry was open). The rule's
    numbers follow under their own names: columns in Parquet, whatever keeps names and values elsewhere.
    """

    strategy: str
    instrument_id: str
    outcome: str
    nearness: float


class OrderEventRow(Row, frozen=True, kw_only=True):
    """One event in the life of one order."""

    decision_id: str
    strategy: str
    instrument_id: str
    client_order_id: str
    venue_order_id: str
    ts_event: int
    event: str
    leg: str
    side: str
    order_type: str
    quantity: Decimal
    price: Decimal | None
    trigger_px: Decimal | None
    reason: str


class FillRow(Row, frozen=True, kw_only=True):
    """One execution. ``slippage_bps`` is against the reference price of the decision, adverse when positive."""

    decision_id: str
    strategy: str
    instrument_id: str
    client_order_id: str
    trade_id: str
    position_id: str
    ts_event: int
    leg: str
    side: str
    quantity: Decimal
    price: Decimal
    commission: Decimal
    currency: str
    liquidity: str
    slippage_bps: float


class TradeRow(Row, frozen=True, kw_only=True):
    """One position from first fill to flat; ``pnl`` is after commission, ``mae`` and ``mfe`` are returns."""

    strategy: str
    instrument_id: str
    side: str
    entry_ts: int
    entry_px: float
    exit_ts: int
    exit_px: float
    quantity: Decimal
    pnl: Decimal
    commission: Decimal
    return_frac: float
    r_multiple: float
    entry_reason: str
    exit_reason: str
    regime_at_entry: str
    mae: float
    mfe: float
    bars_held: int
    decision_id: str


class EquityRow(Row, frozen=True, kw_only=True):
    """The account marked to market across venues; fractions are of equity."""

    ts: int
    equity: Decimal
    cash: Decimal
    gross_exposure: float
    net_exposure: float
    heat: float
    drawdown: float
    positions: int
    mode_in_force: str


class RegimeRow(Row, frozen=True, kw_only=True):
    """The regime after one session of the reference instrument."""

    ts: int
    instrument_id: str
    slope_deg: float
    atr_ratio: float
    vix: float | None
    breadth: float | None
    label: str
    confidence: float
    count: int
    regime: str
    missing: str


class ProtectionRow(Row, frozen=True, kw_only=True):
    """The stop a strategy intends for a position: recorded when it is set or moved."""

    decision_id: str
    strategy: str
    instrument_id: str
    client_order_id: str
    side: str
    quantity: Decimal
    stop_px: Decimal
    kind: str
    ts: int


class BreakerRow(Row, frozen=True, kw_only=True):
    """A breaker that tripped or cleared, with the equity that did it and the loss that may still follow."""

    ts: int
    breaker: str
    event: str
    equity: Decimal
    reference: Decimal
    heat_open: float
    detail: str
