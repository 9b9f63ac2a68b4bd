"""The recorder: turns what happens on the bus into rows, and hands them to a sink that can be exchanged."""

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from nautilus_trader.common.actor import Actor
from nautilus_trader.common.config import ActorConfig
from nautilus_trader.model.enums import LiquiditySide, OrderSide, order_type_to_str
from nautilus_trader.model.events import OrderDenied, OrderFilled, OrderSubmitted

from nautilus_qs.bridge import messages as bus
from nautilus_qs.bridge import orders as legs
from nautilus_qs.bridge.loading import load_component
from nautilus_qs.desk.ids import Leg, client_order_id
from nautilus_qs.domain import Action, RegimeUpdate, Verdict
from nautilus_qs.risk import BreakerEvent
from nautilus_qs.storage import rows
from nautilus_qs.storage.sink import Sink

_encode = msgspec.json.encode
_SENT = (OrderSubmitted, OrderDenied)
_NO_REFERENCE = (0.0, 1, 0)


@cache
def _event_name(kind: str) -> str:
    return kind.removeprefix("Order").lower()


class RecorderConfig(ActorConfig, frozen=True, kw_only=True):
    """Whose rows these are and where they go.

    Parameters
    ----------
    sink
        Path of a callable ``module:name`` that takes `sink_args` as keywords and returns a Sink.
    """

    run_id: str
    mode: str
    sink: str
    sink_args: dict[str, str] = {}
    trade_from_ns: int = 0


class Recorder(Actor):
    """Writes every decision, order event, fill, trade, mark, regime, protection and breaker event."""

    def __init__(self, config: RecorderConfig) -> None:
        super().__init__(config)
        self._sink: Sink = load_component(config.sink, config.sink_args)
        self._run_id, self._run_mode, self._trader = config.run_id, config.mode, ""
        self._accounts: dict[str, str] = {}
        self._reference_px: dict[str, tuple[float, int, int]] = {}
        self.counts = {"proposals": 0, "orders": 0, "fills": 0, "trades": 0}

    def on_start(self) -> None:
        """Listen to everything worth keeping."""
        self._trader = self.trader_id.value
        subscribe = self.msgbus.subscribe
        subscribe(f"{bus.VERDICTS}.*", self._on_verdict)
        subscribe("events.order.*", self._on_order_event)
        subscribe(bus.TRADES, self._on_trade)
        subscribe(bus.ACCOUNT, self._on_account)
        subscribe(bus.REGIMES, self._on_regime)
        subscribe(bus.PROTECTIONS, self._on_protection)
        subscribe(bus.BREAKERS, self._on_breaker)
        subscribe(bus.SIGNALS, self._on_signals)

    def _base(self, ts_batch: int, instrument_id: str = "") -> dict[str, Any]:
        return {
            "run_id": self._run_id,
            "trader_id": self._trader,
            "account_id": self._account_of(instrument_id),
            "mode": self._run_mode,
            "ts_batch": ts_batch,
        }

    def _account_of(self, instrument_id: str) -> str:
        """Return the account an instrument is traded in; of a row about all of them, every account."""
        known = self._accounts.get(instrument_id)
        if known is None:
            venue = instrument_id.rpartition(".")[2]
            found = [a.id.value for a in self.cache.accounts() if a.id.get_issuer() == venue or not instrument_id]
            known = self._accounts[instrument_id] = ",".join(sorted(found))
        return known

    def _on_verdict(self, verdict: Verdict) -> None:
        proposal = verdict.proposal
        signal = proposal.signal
        self.counts["proposals"] += 1
        factors = dict(verdict.multipliers)
        leg = Leg.ENTRY if signal.action is Action.ENTER else Leg.EXIT
        if verdict.is_granted:
            self._reference_px[proposal.decision_id] = (signal.reference_px, signal.side.sign, proposal.ts_batch)
        row = rows.DecisionRow(
            **self._base(proposal.ts_batch, signal.instrument_id),
            decision_id=proposal.decision_id,
            strategy=proposal.strategy,
            instrument_id=signal.instrument_id,
            action=signal.action.value,
            side=signal.side.value,
            confidence=signal.confidence,
            reference_px=signal.reference_px,
            stop_px=signal.stop_px,
            target_px=signal.target_px,
            reason=signal.reason,
            numbers=_encode(dict(zip(signal.columns, signal.numbers, strict=True))).decode(),
            regime=verdict.regime.value,
            weight=verdict.weight,
            equity=verdict.equity,
            risk_fraction=verdict.risk_fraction,
            multiplier_drawdown=factors.get("drawdown", 1.0),
            multiplier_sentiment=factors.get("sentiment", 1.0),
            multiplier_rl=factors.get("rl", 1.0),
            multiplier_performance=factors.get("performance", 1.0),
            checks=_encode(verdict.checks).decode(),
            quantity_asked=verdict.asked,
            quantity_granted=verdict.granted,
            verdict="granted" if verdict.is_granted else "denied",
            failed_check=verdict.failed,
            client_order_id=client_order_id(proposal.decision_id, leg) if verdict.is_granted else "",
        )
        self._write(row)

    def _on_order_event(self, event: Any) -> None:
        order = self.cache.order(event.client_order_id)
        if order is None:
            return
        text = event.client_order_id.value
        decision_id = legs.decision_of(text)
        reference_px, sign, ts_batch = self._reference_px.get(decision_id, _NO_REFERENCE)
        instrument_id = event.instrument_id.value
        strategy = event.strategy_id.get_tag()
        kind = type(event)
        if kind is OrderFilled:
            base = self._base(ts_batch, instrument_id)
            self._on_fill(event, base, decision_id, strategy=strategy, reference_px=reference_px, sign=sign)
        elif kind in _SENT:
            self.counts["orders"] += 1
        venue_order_id = order.venue_order_id
        # Written out: a row of this table is made some ten times a trade, and merging keywords would double its cost.
        self._write(
            rows.OrderEventRow(
                run_id=self._run_id,
                trader_id=self._trader,
                account_id=self._account_of(instrument_id),
                mode=self._run_mode,
                ts_batch=ts_batch,
                decision_id=decision_id,
                strategy=strategy,
                instrument_id=instrument_id,
                client_order_id=text,
                venue_order_id="" if venue_order_id is None else venue_order_id.value,
                ts_event=event.ts_event,
                event=_event_name(kind.__name__),
                leg=legs.leg_of(text) or "",
                side="buy" if order.side == OrderSide.BUY else "sell",
                order_type=order_type_to_str(order.order_type),
                quantity=order.quantity.as_decimal(),
                price=order.price.as_decimal() if order.has_price else None,
                trigger_px=order.trigger_price.as_decimal() if order.has_trigger_price else None,
                reason=getattr(event, "reason", "") or "",
            )
        )

    def _on_fill(
        self, event: Any, base: dict[str, Any], decision_id: str, *, strategy: str, reference_px: float, sign: int
    ) -> None:
        self.counts["fills"] += 1
        text = event.client_order_id.value
        leg = legs.leg_of(text)
        px = event.last_px.as_decimal()
        slippage = 0.0
        if leg is Leg.ENTRY and reference_px > 0:
            slippage = sign * (float(px) / reference_px - 1.0) * 1e4
        self._write(
            rows.FillRow(
                **base,
                decision_id=decision_id,
                strategy=strategy,
                instrument_id=event.instrument_id.value,
                client_order_id=text,
                trade_id=event.trade_id.value,
                position_id=event.position_id.value if event.position_id is not None else "",
                ts_event=event.ts_event,
                leg=leg or "",
                side="buy" if event.order_side == OrderSide.BUY else "sell",
                quantity=event.last_qty.as_decimal(),
                price=px,
                commission=event.commission.as_decimal(),
                currency=event.commission.currency.code,
                liquidity="maker" if event.liquidity_side == LiquiditySide.MAKER else "taker",
                slippage_bps=slippage,
            )
        )

    def _on_trade(self, trade: bus.ClosedTrade) -> None:
        self.counts["trades"] += 1
        self._reference_px.pop(trade.decision_id, None)
        fields = {name: getattr(trade, name) for name in trade.__struct_fields__ if name != "ts_batch"}
        fields["side"] = trade.side.value
        self._write(rows.TradeRow(**self._base(trade.ts_batch, trade.instrument_id), **fields))

    def _on_account(self, account: bus.AccountPoint) -> None:
        point = account.point
        equity = float(point.equity)
        per_equity = 1.0 / equity if equity > 0 else 0.0
        self._write(
            rows.EquityRow(
                run_id=self._run_id,
                trader_id=self._trader,
                account_id=self._account_of(""),
                mode=self._run_mode,
                ts_batch=point.ts,
                ts=point.ts,
                equity=point.equity,
                cash=point.cash,
                gross_exposure=point.gross * per_equity,
                net_exposure=point.net * per_equity,
                heat=account.heat,
                drawdown=account.drawdown,
                positions=point.positions,
                mode_in_force=account.mode.value,
            )
        )

    def _on_regime(self, update: RegimeUpdate) -> None:
        if update.ts < self.config.trade_from_ns:
            return
        self._write(
            rows.RegimeRow(
                **self._base(update.ts, update.instrument_id),
                ts=update.ts,
                instrument_id=update.instrument_id,
                slope_deg=update.slope_deg,
                atr_ratio=update.atr_ratio,
                vix=update.vix,
                breadth=update.breadth,
                label=update.label.value,
                confidence=update.confidence,
                count=update.count,
                regime=update.regime.value,
                missing=",".join(update.missing),
            )
        )

    def _on_protection(self, protection: bus.Protection) -> None:
        self._write(
            rows.ProtectionRow(
                **self._base(protection.ts_batch, protection.instrument_id),
                decision_id=protection.decision_id,
                strategy=protection.strategy,
                instrument_id=protection.instrument_id,
                client_order_id=protection.client_order_id,
                side=protection.side.value,
                quantity=protection.quantity,
                stop_px=protection.stop_px,
                kind=protection.kind,
                ts=protection.ts,
            )
        )

    def _on_breaker(self, event: BreakerEvent) -> None:
        self._write(
            rows.BreakerRow(
                **self._base(event.ts),
                ts=event.ts,
                breaker=event.breaker.value,
                event=event.change.value,
                equity=event.equity,
                reference=event.reference,
                heat_open=event.heat_open,
                detail=event.detail,
            )
        )

    def _on_signals(self, chunk: bus.SignalChunk) -> None:
        self._keep(self._sink.write_signals, self._base(0), chunk)

    def close(self) -> None:
        """Close the sink after the last event; nothing is recorded from now on.

        Raises
        ------
        StorageError
            If what is still held back cannot be written.
        """
        self._sink.close()

    def _write(self, row: rows.Row) -> None:
        self._keep(self._sink.write, row)

    def _keep(self, write: Callable[..., None], *values: Any) -> None:
        try:
            write(*values)
        except Exception as error:  # noqa: BLE001  what cannot be recorded must not be traded: the desk halts
            detail = f"nothing can be recorded: {error}"
            self.msgbus.publish(bus.FAULTS, bus.Fault(self.clock.timestamp_ns(), "recorder", detail, is_critical=True))
