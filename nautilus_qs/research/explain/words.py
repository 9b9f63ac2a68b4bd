"""A card in words: what a person reads in a terminal."""

from nautilus_qs.research.explain.card import Card, CheckCard, DecisionCard, RegimeCard, StrategyCard, TradeCard
from nautilus_qs.research.report.charts import REGIME_NAMES
from nautilus_qs.research.report.text import label, number, percent, significant

OUTCOMES = {
    "quiet": "no entry signal",
    "entry": "entry signal",
    "exit": "exit signal",
    "held": "entry signal, but a position or an entry was already open",
    "warmup": "still warming up: an indicator had not seen its full window",
    "unrecorded": "its numbers were not recorded",
}
LEGS = {"E": "entry", "S": "stop", "T": "target", "X": "close"}


def render_text(card: Card) -> str:
    """Return the card as lines of text."""
    close = f", close {significant(card.close, 7)}" if card.close is not None else ""
    lines = [f"{card.instrument_id}, bar closed {card.at}{close}   (run {card.run_id})"]
    lines += [_regime_line(card.regime)] if card.regime else []
    for strategy in card.strategies:
        lines += ["", *_strategy_lines(strategy)]
    if not card.strategies:
        lines += ["", "No strategy looked at this bar."]
    return "\n".join(lines)


def _regime_line(regime: RegimeCard) -> str:
    inputs = [
        f"{name} {significant(value)}"
        for name, value in (
            ("slope", regime.slope_deg),
            ("ATR ratio", regime.atr_ratio),
            ("VIX", regime.vix),
            ("breadth", regime.breadth),
        )
        if value is not None
    ]
    raw = f"label {_regime(regime.label)} for {regime.count} days, confidence {number(regime.confidence)}"
    return f"regime {_regime(regime.regime)} ({'; '.join([raw, ', '.join(inputs)])})"


def _strategy_lines(card: StrategyCard) -> list[str]:
    near = ""
    if card.nearness is not None and card.outcome in ("quiet", "warmup"):
        near = f", {percent(card.nearness, 0)} of the way to one"
    lines = [f"{label(card.strategy)}: {OUTCOMES.get(card.outcome, card.outcome)}{near}"]
    if card.numbers:
        lines.append(
            "  saw     " + ", ".join(f"{name} {significant(value, 6)}" for name, value in card.numbers.items())
        )
    lines += [f"  needs   {line}" for line in card.conditions]
    if card.open_since:
        stop = f", stop {significant(card.stop_px, 7)}" if card.stop_px is not None else ""
        lines.append(f"  holds   a position since {card.open_since}{stop}")
    for decision in card.decisions:
        lines += _decision_lines(decision)
    return lines


def _decision_lines(card: DecisionCard) -> list[str]:
    levels = [f"reference {significant(card.reference_px, 7)}"]
    levels += [f"stop {significant(card.stop_px, 7)}"] if card.stop_px is not None else []
    levels += [f"target {significant(card.target_px, 7)}"] if card.target_px is not None else []
    factors = ", ".join(f"{name} x {significant(value)}" for name, value in card.multipliers.items())
    lines = [
        f"  asked   to {card.action} {card.side}: {card.reason}; confidence {number(card.confidence)}",
        f"          {', '.join(levels)}",
        f"  size    equity {number(card.equity)}, weight {percent(card.weight, 0)} in {_regime(card.regime)}, "
        f"risk {percent(card.risk_fraction, 2)} of equity; {factors}",
        *[f"  check   {_check(check)}" for check in card.checks],
        f"  answer  {_answer(card)}",
    ]
    if card.would_trade:
        lines.append(f"          {card.would_trade}")
    lines += [
        f"  order   {order.at} {LEGS.get(order.leg, order.leg)} {order.event}: {order.side} "
        f"{significant(order.quantity, 8)}{f' ({order.reason})' if order.reason else ''}"
        for order in card.orders
    ]
    lines += [
        f"  fill    {fill.at} {LEGS.get(fill.leg, fill.leg)}: {fill.side} {significant(fill.quantity, 8)} at "
        f"{significant(fill.price, 7)}, commission {number(fill.commission)}, "
        f"slippage {number(fill.slippage_bps, 1)} bp"
        for fill in card.fills
    ]
    return lines + ([_trade_line(card.trade)] if card.trade else [])


def _answer(card: DecisionCard) -> str:
    asked = significant(card.asked, 8)
    if card.verdict != "granted":
        return f"denied by {card.failed_check or 'no named check'}: {asked} asked, 0 granted"
    whole = "" if card.granted >= card.asked else " (the rest did not fit)"
    return f"granted {significant(card.granted, 8)} of {asked} asked{whole}"


def _check(check: CheckCard) -> str:
    detail = f" ({check.detail})" if check.detail else ""
    return (
        f"{'ok  ' if check.passed else 'FAIL'} {check.name}: {significant(check.value)} against "
        f"{significant(check.limit)}{detail}"
    )


def _trade_line(trade: TradeCard) -> str:
    r = f", {number(trade.r_multiple, 2, sign=True)} R" if trade.r_multiple is not None else ""
    result = f"{number(trade.pnl, 2, sign=True)} ({percent(trade.return_frac, 2, sign=True)}{r})"
    prices = f"{significant(trade.entry_px, 7)} to {significant(trade.exit_px, 7)}"
    left = f"left by {trade.exit_reason.replace('_', ' ')} {trade.exit_at}"
    wandered = f"worst {percent(trade.mae, 2)}, best {percent(trade.mfe, 2)}"
    return f"  trade   {result} in {trade.bars_held} bars: {prices}, {left}; {wandered}"


def _regime(name: str) -> str:
    return REGIME_NAMES.get(name, name)
