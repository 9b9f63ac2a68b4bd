"""Random lives of an account, driven through desk and gate as an engine would, against a small model of its own.

What is guaranteed, and asserted here after every step:

- When an opening order is granted, it and everything that is held or worked keep every limit together: the order at
  its reference price and stop, what is worked at its own, what is held at the last mark and resting stop, against the
  last equity and account told. What happens afterwards (a fill at a gapped price, a stop that is dropped, a falling
  equity, a stricter regime) may leave a limit exceeded, and then nothing more is granted that adds to it.
- A cash account is never overdrawn while its fills are at most the buffer (2 %) above the reference price. Beyond that
  the venue refuses, as the driver does.
- What only reduces passes the gate in every mode, also while the judge fails. Nothing else passes without a permit.

The model keeps floats and knows nothing of the desk's books; the two are compared, too. Sequences differ only in their
seed, and a failure names it.
"""

import math
from collections import Counter
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nautilus_qs.allocation import AllocationParams
from nautilus_qs.desk import Desk, DeskParams
from nautilus_qs.domain import (
    Action,
    InstrumentFacts,
    Proposal,
    Regime,
    RegimeUpdate,
    Side,
    Signal,
    TradeResult,
    TradingMode,
    Verdict,
)
from nautilus_qs.risk import Gate, OrderFacts, VenueAccount
from nautilus_qs.risk.breakers import BreakerLimits
from nautilus_qs.risk.limits import CorrelationMode, InstrumentLimit, RiskLimits
from nautilus_qs.sizing import SizingParams

N_EVENTS = 30
TAGS = ("bounce", "breakout", "rsi")
STOCKS = {"AAA.M": "Tech", "BBB.M": "Tech", "CCC.M": "Energy", "DDD.M": "Banks", "IDX.M": ""}
COINS = ("BTC.C", "ETH.C")
IDS = (*STOCKS, *COINS)
START_PX = {
    "AAA.M": 50.0,
    "BBB.M": 120.0,
    "CCC.M": 20.0,
    "DDD.M": 80.0,
    "IDX.M": 400.0,
    "BTC.C": 30_000.0,
    "ETH.C": 2_000.0,
}
LOTS = {name: Decimal(1) for name in STOCKS} | {"BTC.C": Decimal("0.00001"), "ETH.C": Decimal("0.001")}
MIN_NOTIONAL = {name: Decimal(0) for name in STOCKS} | {name: Decimal(10) for name in COINS}
FACTS = {
    name: InstrumentFacts(
        instrument_id=name,
        venue=name[-1],
        price_increment=Decimal("0.01"),
        size_increment=LOTS[name],
        min_quantity=LOTS[name],
        min_notional=MIN_NOTIONAL[name],
        sector=STOCKS.get(name, ""),
        is_crypto=name in COINS,
        margin_init=0.8 if name in STOCKS else 1.0,
    )
    for name in IDS
}
SECTOR = {name: "crypto" if name in COINS else STOCKS[name] for name in IDS}
REGIMES = (
    Regime.NONE,
    Regime.BULL_TRENDING,
    Regime.BEAR_TRENDING,
    Regime.HIGH_VOL_CHOPPY,
    Regime.LOW_VOL_RANGE,
    Regime.CRISIS,
)
TABLE = {
    Regime.NONE: (0.4, 0.3, 0.3),
    Regime.BULL_TRENDING: (0.3, 0.5, 0.2),
    Regime.BEAR_TRENDING: (0.3, 0.1, 0.3),
    Regime.HIGH_VOL_CHOPPY: (0.6, 0.1, 0.3),
    Regime.LOW_VOL_RANGE: (0.5, 0.1, 0.4),
    Regime.CRISIS: (0.2, 0.0, 0.0),
}
CAPS = {Regime.HIGH_VOL_CHOPPY: 0.005}


def capital(**changes):
    by_regime = {
        regime.value: dict(zip(TAGS, row, strict=True)) for regime, row in TABLE.items() if regime is not Regime.NONE
    }
    return AllocationParams(default=dict(zip(TAGS, TABLE[Regime.NONE], strict=True)), by_regime=by_regime, **changes)


VARIANTS = (
    DeskParams(allocation=capital()),
    DeskParams(allocation=capital(), risk=RiskLimits(correlation_mode=CorrelationMode.CLUSTER)),
    DeskParams(
        allocation=capital(max_positions={"rsi": 1}),
        risk=RiskLimits(
            max_correlation=1.0,
            max_positions_per_strategy=2,
            max_positions=4,
            max_heat=0.03,
            max_heat_choppy=0.02,
            max_heat_crisis=0.01,
        ),
    ),
    DeskParams(
        allocation=capital(),
        risk=RiskLimits(
            max_correlation=1.0,
            max_sector=0.15,
            max_instrument=0.2,
            instruments={
                "DDD.M": InstrumentLimit(max_quantity=Decimal(100)),
                "CCC.M": InstrumentLimit(max_notional=Decimal(6_000)),
                "BTC.C": InstrumentLimit(max_fraction=0.1),
            },
        ),
    ),
    DeskParams(
        allocation=capital(conflict_margin=0.0),
        risk=RiskLimits(max_correlation=1.0, margin_excess=4.0, max_sector=1.0),
        sizing=SizingParams(cap_crisis=0.0),
        breakers=BreakerLimits(restart_after=None),
    ),
    DeskParams(
        allocation=capital(),
        risk=RiskLimits(max_sector=1.0),
        breakers=BreakerLimits(restart_after=2),
        crisis_guard=False,
    ),
)


def make_world(seed):
    """Return daily closes by instrument, and the correlation of their returns by pair of instruments."""
    rng = np.random.default_rng(seed)
    n_days = (31, 31, 15)[seed % 3]  # with 14 returns nothing is computed
    market, tech = rng.normal(0, 0.01, (2, n_days - 1))
    returns = rng.normal(0, 0.01, (len(IDS), n_days - 1))
    returns[0] = tech + 0.3 * returns[0]
    returns[1] = tech + 0.3 * returns[1]
    returns[4] = market + 0.5 * returns[4]
    returns[5] = market + (0.5, 1.0)[seed % 2] * returns[5]
    closes = np.concatenate((np.ones((len(IDS), 1)), np.cumprod(1 + returns, axis=1)), axis=1) * 100
    rho = np.corrcoef(closes[:, 1:] / closes[:, :-1] - 1)
    pairs = {(a, b): (float(rho[i, j]) if n_days > 20 else None) for i, a in enumerate(IDS) for j, b in enumerate(IDS)}
    return closes.tolist(), pairs


WORLDS = [make_world(seed) for seed in range(6)]


class Dice:
    """Uniform numbers from one generator, drawn in one go: a call of the generator costs more than a decision."""

    def __init__(self, seed):
        self._rng = np.random.default_rng(seed)
        self._left = []

    def next(self):
        if not self._left:
            self._left = self._rng.random(1024).tolist()
        return self._left.pop()

    def chance(self, p):
        return self.next() < p

    def between(self, low, high):
        return low + (high - low) * self.next()

    def pick(self, options):
        return options[int(self.next() * len(options))]


class Line:
    """Units held or worked; ``sign`` is 1 or -1, ``quantity`` positive."""

    def __init__(self, strategy, name, sign, quantity, px, stop):
        self.strategy, self.name, self.sign = strategy, name, sign
        self.quantity, self.px, self.stop = quantity, px, stop
        self.is_sent = self.has_stop_leg = self.is_gapped = False

    def risk(self, mark):
        if self.stop is None:
            return float(self.quantity) * mark
        return float(self.quantity) * max(0.0, self.sign * (self.px - self.stop))


class BreakerModel:
    """The breakers in twenty lines."""

    def __init__(self, limits):
        self.after = limits.restart_after
        self.day, self.last, self.peak, self.start, self.halted = None, Decimal(0), Decimal(0), Decimal(0), 0
        self.on = set()

    def mark(self, day, equity):
        if self.day is None:
            self.peak = self.start = equity
        elif day != self.day:
            self.start = self.last
            if self.on & {"day", "halt", "kill"}:
                self.halted += 1
                if self.after is not None and self.halted >= self.after and "kill" not in self.on:
                    self.day = day
                    self.restart(equity)
                    return
        self.day, self.last, self.peak = day, equity, max(self.peak, equity)
        if equity * 100 <= self.start * 95:
            self._trip("day")
        if equity * 100 <= self.peak * 90:
            self.on.add("reduce")
        if equity * 100 <= self.peak * 85:
            self._trip("halt")
        if equity * 100 > self.peak * 95:
            self.on.discard("reduce")

    def restart(self, equity):
        self.on -= {"day", "halt", "kill", "reduce"}
        self.last = self.peak = self.start = equity
        self.halted = 0

    def _trip(self, name):
        if name not in self.on:
            self.on.add(name)
            self.halted = 0

    @property
    def mode(self):
        if "kill" in self.on:
            return TradingMode.KILLED
        return TradingMode.HALTED if self.on - {"reduce"} else TradingMode.NORMAL


class Account:
    """Desk, gate, venues and the model, and every event that may happen to them."""

    def __init__(self, seed, used=None):
        self.seed, self.dice = seed, Dice(seed)
        self.used, self.trail = used, []
        self.params = VARIANTS[seed % len(VARIANTS)]
        self.closes, self.rho = WORLDS[seed // 7 % len(WORLDS)]
        self.marks = dict(START_PX)
        self.positions, self.working, self.legs, self.closes_under_way = {}, {}, {}, {}
        self.balance, self.cash = 45_000.0, 30_000.0
        self.is_cash_in_order, self.is_judge_broken = True, False
        self.regime = self.label = Regime.NONE
        self.sentiment = None
        self.breakers = BreakerModel(self.params.breakers)
        self.ts, self.day, self.n = 1, 1, 0
        self.probed = Counter()
        self.seen = Counter()
        self.events = []
        self._connect()
        for lost in (8_900.0, 5_500.0, 2_000.0) if seed % 8 == 3 else ():  # a start in a drawdown of 10.6 %
            self.balance += lost
            self.tell_equity(is_stale=False)
            self.balance -= lost
            self.day += 1
        self.tell_equity(is_stale=False)

    def _connect(self):
        if self.used is None:
            self.desk, self.gate = Desk(self.params), Gate(lambda facts: self.judge(facts))  # noqa: PLW0108  tests replace the judge
        else:  # what another account has used, reset
            self.desk, self.gate, self.used.judge = self.used.desk, self.used.gate, self.judge
            self.desk.reset()
            self.gate.reset()
        self.desk.set_instruments(FACTS)
        for name, closes in zip(IDS, self.closes, strict=True):
            for day, close in enumerate(closes):
                self.desk.on_day_close(name, day, close)
        for name, px in self.marks.items():
            self.desk.on_mark(name, px)
        self.tell_accounts()

    def judge(self, facts):
        if self.is_judge_broken:
            raise RuntimeError("the judge is broken")
        return self.desk.judge(facts)

    # -- what the venues know

    def venue_equity(self):
        return self.balance + sum(
            p.sign * float(p.quantity) * (self.marks[p.name] - p.px)
            for p in self.positions.values()
            if p.name[-1] == "M"
        )

    def tell_accounts(self):
        self.told_cash, self.told_margin = Decimal(f"{self.cash:.6f}"), Decimal(f"{self.venue_equity():.6f}")
        self.desk.on_account(VenueAccount("M", True, cash=Decimal(0), equity=self.told_margin))
        self.desk.on_account(VenueAccount("C", False, cash=self.told_cash, equity=Decimal(0)))

    def tell_equity(self, *, is_stale):
        coins = sum(float(p.quantity) * self.marks[p.name] for p in self.positions.values() if p.name[-1] == "C")
        self.equity = Decimal(f"{self.venue_equity() + self.cash + coins:.2f}")
        self.desk.on_equity(self.ts, self.day, self.equity, stale=is_stale)
        if not is_stale:
            self.breakers.mark(self.day, self.equity)
        self.sync_mode()

    def sync_mode(self):
        assert self.desk.breakers.mode is self.breakers.mode
        self.gate.mode = self.desk.breakers.mode

    # -- the model's own arithmetic

    @property
    def risk_regime(self):
        return Regime.CRISIS if self.params.crisis_guard and self.label is Regime.CRISIS else self.regime

    def cap(self):
        return self.params.sizing.cap_crisis if self.risk_regime is Regime.CRISIS else CAPS.get(self.risk_regime, 0.01)

    def lines(self):
        held = [(p, self.marks[p.name]) for p in self.positions.values()]
        return held + [(w, w.px) for w in self.working.values() if w.quantity > 0]

    def heat(self):
        return sum(line.risk(mark) for line, mark in self.lines()) / float(self.equity)

    def signed(self, strategy, name):
        return sum(
            (p.sign * p.quantity for p in self.positions.values() if p.strategy == strategy and p.name == name),
            Decimal(0),
        )

    def assert_within_limits(self, new):
        """Judge everything that is held and worked, the new line among it, against every limit."""
        limits, lines = self.params.risk, self.lines()
        equity = float(self.equity) * (1 + 1e-9)
        heat = {Regime.HIGH_VOL_CHOPPY: limits.max_heat_choppy, Regime.CRISIS: limits.max_heat_crisis}
        assert self.heat() <= heat.get(self.risk_regime, limits.max_heat) * (1 + 1e-9), "heat"
        value = {id(line): float(line.quantity) * mark for line, mark in lines}

        def total(is_counted):
            return sum(value[id(line)] for line, _ in lines if is_counted(line))

        weight = TABLE[self.regime][TAGS.index(new.strategy)]
        assert total(lambda x: x.strategy == new.strategy) <= weight * equity, "allocation"
        if SECTOR[new.name]:
            assert total(lambda x: SECTOR[x.name] == SECTOR[new.name]) <= limits.max_sector * equity, "sector"
        own = limits.instruments.get(new.name) or InstrumentLimit()
        in_one = total(lambda x: x.name == new.name)
        assert in_one <= min(limits.max_instrument, own.max_fraction or 1.0) * equity, "instrument"
        assert in_one <= float(own.max_notional or "inf") * (1 + 1e-9), "notional"
        units = sum(line.quantity for line, _ in lines if line.name == new.name)
        assert units <= (own.max_quantity or Decimal("inf")), "units"
        pairs = {(line.strategy, line.name) for line, _ in lines}
        most = min(limits.max_positions_per_strategy, self.params.allocation.max_positions.get(new.strategy, 99))
        if not new.is_addition:
            assert len(pairs) <= limits.max_positions, "positions in total"
            assert sum(1 for pair in pairs if pair[0] == new.strategy) <= most, "positions of a strategy"
        self.assert_correlation(new, lines)
        if new.name[-1] == "M":
            at_venue = total(lambda x: x.name[-1] == "M")
            has = float(self.told_margin) * (1 + 1e-9)
            assert at_venue * 0.8 <= has, "initial margin"
            assert at_venue * 0.30 * (1 + limits.margin_excess) <= has, "maintenance and excess"
        else:
            assert new.sign == 1, "short in a cash account"
            cost = sum(value[id(w)] for w in self.working.values() if w.quantity > 0 and w.name[-1] == "C")
            assert cost * 1.02 <= float(self.told_cash) * (1 + 1e-9), "cash"

    def assert_correlation(self, new, lines):
        limits = self.params.risk
        if limits.max_correlation >= 1.0:
            return
        others = {line.name for line, _ in lines if line.name != new.name and line.sign == new.sign}
        alike = {
            name
            for name in others
            if ((rho := self.rho[new.name, name]) is not None and rho > 0.7)
            or (rho is None and SECTOR[name] == SECTOR[new.name] != "")
        }
        if limits.correlation_mode is CorrelationMode.BLOCK:
            assert not alike, "correlated"
            return
        cluster = sum(
            line.risk(mark) for line, mark in lines if line.sign == new.sign and line.name in {*alike, new.name}
        )
        assert cluster <= 0.03 * float(self.equity) * (1 + 1e-9), "cluster"

    # -- proposals

    def propose(self):
        dice = self.dice
        name, strategy = dice.pick(IDS), dice.pick(TAGS)
        self.n += 1
        side = Side.LONG if dice.chance(0.7) else Side.SHORT
        px = round(self.marks[name] * dice.between(0.99, 1.01), 2)
        stop = round(px * (1 - side.sign * dice.between(0.005, 0.12)), 2)
        if dice.chance(0.03):
            stop = dice.pick((None, px, -1.0, math.nan, round(px * (1 + side.sign * 0.05), 2)))
        action = Action.EXIT if dice.chance(0.2) else Action.ENTER
        volume = 1e7 if dice.chance(0.85) else dice.pick((0.0, math.nan, 300.0, 2_000.0))
        multipliers = ()
        if dice.chance(0.3):
            multipliers = dice.pick(
                ((("sentiment", 0.5),), (("sentiment", 1.1), ("rl", 1.4)), (("rl", 0.0),), (("drawdown", 2.0),))
            )
        signal = Signal(name, action, side, round(dice.next(), 2), px, stop, None, "test", (), ())
        return Proposal(f"{self.n:020d}", strategy, self.ts, signal, volume, multipliers)

    def batch(self):
        proposals = [self.propose() for _ in range(1 + int(self.dice.next() * 4))]
        fractions = {tag: self.desk.risk_fraction(tag) for tag in TAGS}
        verdicts = self.desk.decide(proposals, self.ts)
        self.trail.append(repr(verdicts))
        assert sorted(v.proposal.decision_id for v in verdicts) == sorted(p.decision_id for p in proposals)
        exits = {(p.strategy, p.signal.instrument_id) for p in proposals if p.signal.action is Action.EXIT}
        sides = {}
        for verdict in verdicts:
            signal = verdict.proposal.signal
            if signal.action is Action.EXIT:
                self.assert_exit(verdict)
                continue
            self.seen[verdict.failed or "granted"] += 1
            if not verdict.is_granted:
                assert verdict.granted == 0
                assert verdict.failed
                continue
            assert (verdict.proposal.strategy, signal.instrument_id) not in exits
            assert sides.setdefault(signal.instrument_id, signal.side) is signal.side, "both sides in one batch"
            self.assert_grant(verdict, proposals, fractions[verdict.proposal.strategy])
        for key in [key for key, line in self.working.items() if not line.is_sent]:
            if self.dice.chance(0.8):
                self.send(key)

    def assert_exit(self, verdict: Verdict):
        signal, strategy = verdict.proposal.signal, verdict.proposal.strategy
        held = sum(
            p.quantity
            for p in self.positions.values()
            if p.strategy == strategy and p.name == signal.instrument_id and p.sign == signal.side.sign
        )
        assert verdict.granted == held, "an exit is granted what there is, in every mode"

    def assert_grant(self, verdict, proposals, fraction):
        """Judge one grant by what was asked, then with everything else."""
        signal, proposal = verdict.proposal.signal, verdict.proposal
        original = next(p.signal for p in proposals if p.decision_id == proposal.decision_id)
        assert self.breakers.mode is TradingMode.NORMAL
        assert not any(x.strategy == proposal.strategy and x.name == signal.instrument_id for x, _ in self.lines())
        # Stops are twice as wide once a crisis is in force, and that is the stop the order carries.
        wide = 2.0 if self.regime is Regime.CRISIS else 1.0
        stop = original.reference_px - wide * (original.reference_px - original.stop_px)
        assert math.isclose(signal.stop_px, stop, rel_tol=1e-12)
        granted, lot = verdict.granted, LOTS[signal.instrument_id]
        assert granted % lot == 0
        assert granted >= lot
        assert float(granted) * signal.reference_px >= MIN_NOTIONAL[signal.instrument_id]
        cap = self.cap()
        assert verdict.risk_fraction <= cap
        product = 0.5 if "reduce" in self.breakers.on else 1.0
        for name, factor in proposal.multipliers:
            product *= factor if name != "drawdown" else 1.0
        lost = float(granted) * abs(signal.reference_px - stop)
        assert lost <= float(self.equity) * cap * min(product, 1.25) * (1 + 1e-9), "risk size"
        assert float(granted) <= 0.1 * proposal.volume * (1 + 1e-9), "participation"
        most = min(float(verdict.asked), 0.1 * proposal.volume)
        assert float(granted) >= 0.5 * (most - float(lot)), "half rule"
        if fraction.is_probe:
            self.probed[proposal.strategy] += 1
            assert self.probed[proposal.strategy] <= 1, "one probe a week"
        line = Line(
            proposal.strategy, signal.instrument_id, signal.side.sign, granted, signal.reference_px, signal.stop_px
        )
        line.is_addition, line.is_probe, line.is_filled = False, fraction.is_probe, False
        self.working[proposal.decision_id] = line
        self.assert_within_limits(line)
        self.gate.on_grant(self.facts(proposal.decision_id, line))

    def facts(self, key, line, **changes):
        side = Side.LONG if line.sign == 1 else Side.SHORT
        fields = {"client_order_id": f"{key}-E", "strategy": line.strategy, "instrument_id": line.name} | {
            "side": side,
            "quantity": line.quantity,
        }
        return OrderFacts(**(fields | changes))

    # -- orders

    def leg(self, key, line, *, suffix="S", **changes):
        fields = {
            "client_order_id": f"{key}-{suffix}",
            "side": Side.SHORT if line.sign == 1 else Side.LONG,
            "reduce_only": True,
            "parent_id": f"{key}-E",
            "price": Decimal(repr(line.px if line.stop is None else line.stop)),
        }
        return self.facts(key, line, **(fields | changes))

    def send(self, key):
        """Send an entry with its stop: both pass in normal mode, neither does in another."""
        line, mode = self.working[key], self.gate.mode
        held = self.signed(line.strategy, line.name)
        if line.is_sent or held * line.sign < 0:
            return
        if self.dice.chance(0.1):  # more, or the other way, than what was granted
            assert self.gate.check(self.facts(key, line, quantity=line.quantity + LOTS[line.name])) is not None
            other = Side.SHORT if line.sign == 1 else Side.LONG
            assert self.gate.check(self.facts(key, line, side=other)) is not None
        if self.dice.chance(0.1) and not held:
            assert self.gate.check(self.leg(key, line)) is not None or line.name[-1] == "M", "a leg before its entry"
            self.forget_foreign(f"{key}-S")
        if self.dice.chance(0.15):
            self.slice_off(key, line)
            if key not in self.working:
                return
        reason = self.gate.check(self.facts(key, line))
        if mode is not TradingMode.NORMAL:
            assert reason is not None
            self.end(key)
            return
        assert reason is None
        line.is_sent = True
        if line.stop is not None:
            assert self.gate.check(self.leg(key, line)) is None
            self.legs[key] = f"{key}-S"
            if self.dice.chance(0.3):
                protected = self.positions.get(key, line)
                protected.stop = line.stop
                self.tell_stop(key, protected, line.stop)

    def slice_off(self, key, line):
        """Half of an entry goes out as an order of its own: it passes under the grant of the whole."""
        half = int(line.quantity / LOTS[line.name]) // 2 * LOTS[line.name]
        if not half:
            return
        child = self.facts(key, line, client_order_id=f"{key}-E-1", parent_id=f"{key}-E", quantity=half)
        reason = self.gate.check(child)
        assert (reason is None) is (self.gate.mode is TradingMode.NORMAL)
        if reason is None:
            assert self.gate.check(self.facts(key, line)) is not None, "whole and slice together are too much"
            if self.dice.chance(0.7):
                self.fill(key, line, half, line.px, order_id=child.client_order_id)
            self.gate.on_closed(child.client_order_id)

    def forget_foreign(self, order_id):
        """A leg without its entry is an order of nobody: the judge may have taken it for one that opens."""
        self.gate.on_closed(order_id)
        self.desk.on_order_closed(order_id)

    def tell_stop(self, key, line, stop):
        self.desk.on_stop(line.strategy, line.name, key, None if stop is None else Decimal(repr(stop)))
        line.has_stop_leg = stop is not None

    def end(self, key):
        """An entry is cancelled, rejected, denied or expires."""
        line = self.working.pop(key)
        self.gate.on_closed(f"{key}-E")
        self.desk.on_order_closed(f"{key}-E")
        if line.is_probe and not line.is_filled:
            self.probed[line.strategy] -= 1
        if key not in self.positions:
            self.drop_legs(key, line)

    def drop_legs(self, key, line):
        leg = self.legs.pop(key, None)
        if leg is not None:
            self.gate.on_closed(leg)
            self.desk.on_order_closed(leg)
        if line.has_stop_leg:
            self.tell_stop(key, line, None)

    def working_event(self):
        """Something happens to an entry: a fill, full or partial, at a gapped price perhaps, or its end."""
        if not self.working:
            return
        key = self.dice.pick(list(self.working))
        line = self.working[key]
        if not line.is_sent:
            self.send(key)
            return
        if self.dice.chance(0.15):
            self.end(key)
            return
        is_gap = self.dice.chance(0.15)
        px = round(line.px * (self.dice.between(0.85, 1.15) if is_gap else self.dice.between(0.995, 1.005)), 2)
        lots = int(line.quantity / LOTS[line.name])
        part = line.quantity if self.dice.chance(0.7) else max(1, int(lots * self.dice.next())) * LOTS[line.name]
        self.fill(key, line, part, px)

    def fill(self, key, line, quantity, px, *, order_id=None):
        cost = float(quantity) * px
        if line.name[-1] == "C":
            self.is_cash_in_order &= px <= line.px * 1.02
            if cost > self.cash:
                assert not self.is_cash_in_order, "a cash account must be able to pay for what was granted"
                self.end(key)
                return
            self.cash -= cost
            self.told_cash -= quantity * Decimal(repr(px))
        position = self.positions.get(key)
        if position is None:
            position = self.positions[key] = Line(
                line.strategy, line.name, line.sign, quantity, px, line.stop if line.has_stop_leg else None
            )
            position.has_stop_leg, position.first_stop = line.has_stop_leg, line.stop
        else:
            total = position.quantity + quantity
            position.px = (position.px * float(position.quantity) + cost) / float(total)
            position.quantity = total
        line.quantity -= quantity
        line.is_filled = True
        self.desk.on_fill(
            line.strategy,
            line.name,
            key,
            quantity=quantity * line.sign,
            px=Decimal(repr(px)),
            client_order_id=f"{key}-E",
        )
        self.gate.on_fill(order_id or f"{key}-E", quantity)
        if self.dice.chance(0.8):
            position.stop = position.first_stop
            self.tell_stop(key, position, position.stop)
        if not line.quantity:
            self.end(key)
        if self.dice.chance(0.7):
            self.tell_accounts()

    def stop_event(self):
        """A stop is ratcheted, or is gone."""
        if not self.positions:
            return
        key = self.dice.pick(list(self.positions))
        line = self.positions[key]
        if self.dice.chance(0.25):
            line.stop = None
        else:
            level = round(self.marks[line.name] * (1 - line.sign * self.dice.between(0.005, 0.05)), 2)
            line.stop = level if line.stop is None else max(line.sign * level, line.sign * line.stop) * line.sign
        self.tell_stop(key, line, line.stop)

    def close_event(self):
        """Part of a position, or all of it, is closed: by its stop, or by an order with or without the flag."""
        if not self.positions:
            return
        key = self.dice.pick(list(self.positions))
        self.close(key, self.positions[key], self.dice.chance(0.7))

    def close(self, key, line, is_whole):
        held, lot = line.quantity, LOTS[line.name]
        quantity = held if is_whole else max(1, int(int(held / lot) * self.dice.next())) * lot
        self.n += 1
        close = self.leg(
            key,
            line,
            client_order_id=f"X{self.n}",
            quantity=quantity,
            parent_id=None,
            price=None,
            reduce_only=self.dice.chance(0.7),
            position_quantity=held * line.sign,
        )
        self.is_judge_broken = self.dice.chance(0.3)
        assert self.gate.check(close) is None, "what only reduces passes"
        if self.dice.chance(0.2):  # a second one that would turn the position does not pass unjudged
            turning = self.leg(
                key,
                line,
                client_order_id=f"Y{self.n}",
                quantity=held - quantity + lot,
                parent_id=None,
                price=None,
                reduce_only=False,
                position_quantity=held * line.sign,
            )
            self.is_judge_broken = True
            assert self.gate.check(turning) is not None
        self.is_judge_broken = False
        px = round(self.marks[line.name] * self.dice.between(0.97, 1.03), 2)
        self.reduce(key, line, quantity, px, f"X{self.n}")
        self.gate.on_closed(f"X{self.n}")
        self.desk.on_order_closed(f"X{self.n}")

    def reduce(self, key, line, quantity, px, order_id):
        if line.name[-1] == "C":
            self.cash += float(quantity) * px
        else:
            self.balance += line.sign * float(quantity) * (px - line.px)
        line.quantity -= quantity
        signed = -quantity * line.sign
        self.desk.on_fill(
            line.strategy, line.name, key, quantity=signed, px=Decimal(repr(px)), client_order_id=order_id
        )
        if signed > 0 and line.name[-1] == "C":
            self.told_cash -= signed * Decimal(repr(px))
        self.gate.on_fill(order_id, quantity)
        if not line.quantity:
            del self.positions[key]
            entry = self.working.get(key)
            if entry is not None:  # its stop was there for what is still worked, too: the strategy cancels the rest
                self.end(key)
            self.drop_legs(key, line)
        if self.dice.chance(0.7):
            self.tell_accounts()

    def foreign_order(self):
        """An order that nobody proposed: the judge decides, and a judge that fails denies."""
        dice = self.dice
        self.n += 1
        name, strategy = dice.pick(IDS), dice.pick((*TAGS, "EXTERNAL"))
        sign = 1 if dice.chance(0.7) else -1
        if any(x.strategy == strategy and x.name == name and x.sign != sign for x, _ in self.lines()):
            return
        mark = self.marks[name]
        lots = max(1, int(dice.between(0.0, 0.4) * float(self.equity) / mark / float(LOTS[name])))
        stop = round(mark * (1 - sign * dice.between(0.01, 0.05)), 2) if dice.chance(0.8) else None
        line = Line(strategy, name, sign, lots * LOTS[name], mark, stop)
        is_held = any(x.strategy == strategy and x.name == name for x, _ in self.lines())
        line.is_addition, line.is_probe, line.is_filled, line.is_sent = is_held, False, False, True
        key = f"F{self.n:019d}"
        facts = self.facts(
            key,
            line,
            stop_px=None if stop is None else Decimal(repr(stop)),
            position_quantity=self.signed(strategy, name),
            volume=None if dice.chance(0.5) else 1e7,
        )
        self.is_judge_broken = dice.chance(0.2)
        reason = self.gate.check(facts)
        if (
            self.is_judge_broken
            or self.breakers.mode is not TradingMode.NORMAL
            or strategy == "EXTERNAL"
            or not self.cap()
        ):
            assert reason is not None, "it opens, and nobody allowed it"
        self.is_judge_broken = False
        self.seen["foreign passed" if reason is None else "foreign denied"] += 1
        if reason is None:
            self.working[key] = line
            self.assert_within_limits(line)

    def attack(self):
        """Orders that no gate may pass, whatever they call themselves, and changes that enlarge."""
        mode = self.gate.mode
        self.is_judge_broken = True
        for key, line in list(self.positions.items())[:2]:
            held = line.quantity * line.sign
            for is_flagged in (False, True):
                flip = self.leg(
                    key,
                    line,
                    suffix="Z",
                    quantity=line.quantity + LOTS[line.name],
                    parent_id=None,
                    reduce_only=is_flagged,
                    position_quantity=held,
                )
                assert self.gate.check(flip) is not None, "it would turn the position"
            add = self.facts(key, line, client_order_id=f"{key}-Z", reduce_only=True, position_quantity=held)
            assert self.gate.check(add) is not None, "the flag alone proves nothing"
        for key, line in self.working.items():
            if line.is_sent and line.quantity > 0:
                child = self.facts(key, line, client_order_id=f"{key}-Z", parent_id=f"{key}-E", quantity=line.quantity)
                assert self.gate.check(child) is not None, "what went out whole is not split as well"
        self.is_judge_broken = False
        for key, line in list(self.working.items())[:2]:
            if line.quantity > 0:
                more = line.quantity + LOTS[line.name]
                assert self.gate.check_modify(f"{key}-E", quantity=more, current=line.quantity) is not None
                same = self.gate.check_modify(f"{key}-E", quantity=line.quantity, current=line.quantity)
                assert (same is None) is (mode is TradingMode.NORMAL)

    # -- the world

    def market(self):
        name = self.dice.pick(IDS)
        move = self.dice.between(0.8, 1.2) if self.dice.chance(0.15) else self.dice.between(0.96, 1.04)
        self.marks[name] = round(self.marks[name] * move, 2)
        self.desk.on_mark(name, self.marks[name])

    def equity_mark(self):
        if self.dice.chance(0.5):
            self.day += 1
        if self.dice.chance(0.4):  # what the account earns or loses elsewhere: days of 5 %, drawdowns of 10 and 15 %
            self.balance += self.dice.between(-0.06, 0.02) * float(self.equity)
        self.tell_accounts()
        self.tell_equity(is_stale=self.dice.chance(0.15))

    def regime_update(self):
        self.regime, self.label = self.dice.pick(REGIMES), self.dice.pick(REGIMES)
        if self.dice.chance(0.3):
            self.label = Regime.CRISIS
        self.tell_regime()

    def tell_regime(self):
        self.desk.on_regime(RegimeUpdate(self.ts, "IDX.M", 0.0, 1.0, None, None, self.label, 1.0, 1, self.regime, ()))
        self.judge_crisis()

    def judge_crisis(self):
        if self.regime is not Regime.CRISIS:
            self.breakers.on.discard("crisis")
        elif self.sentiment is not None:
            (self.breakers.on.add if self.sentiment < -0.3 else self.breakers.on.discard)("crisis")
        self.sync_mode()

    def breaker_event(self):
        dice, breakers = self.dice, self.desk.breakers
        what = dice.next()
        if what < 0.15:
            breakers.kill(self.ts, "test")
            self.breakers.on.add("kill")
        elif what < 0.55:
            breakers.restart(self.ts, self.equity)
            self.breakers.restart(self.equity)
        elif what < 0.75:
            age = dice.pick((None, 1.0, 59.9, 1.0, 60.0))
            breakers.on_data(self.ts, age)
            (self.breakers.on.add if age == 60.0 else self.breakers.on.discard)("data")
        elif what < 0.9:
            self.sentiment = dice.pick((None, -0.5, -0.3, 0.2))
            self.desk.on_sentiment(self.ts, self.sentiment)
            self.judge_crisis()
        else:
            flow = Decimal(round(dice.between(-15_000, 15_000)))
            self.balance += float(flow)
            breakers.on_flow(flow)
            self.breakers.last += flow
            self.breakers.peak += flow
            self.breakers.start += flow
        self.sync_mode()
        if self.gate.mode is not TradingMode.NORMAL and dice.chance(0.5):
            for key in list(self.working):
                self.end(key)

    def week(self):
        """Trades end, and the week: a strategy that only loses is down to one probe."""
        tag, is_bad = self.dice.pick(TAGS), self.dice.chance(0.6)
        for _ in range(25):
            self.desk.on_trade(TradeResult(tag, self.ts, -1.0 if is_bad else self.dice.between(-1, 2), 0.0))
        self.desk.on_week_end(np.random.default_rng(self.seed))
        self.probed.clear()
        for line in self.working.values():
            line.is_probe = False

    def restart(self):
        """The process ends and another takes over: entries are cancelled, positions and breakers are told anew."""
        for key in list(self.working):
            self.end(key)
        state = self.desk.breakers.state()
        self._connect()
        self.desk.breakers.restore(state)
        self.desk.on_equity(self.ts, self.day, self.equity, stale=True)
        self.desk.on_sentiment(self.ts, self.sentiment)
        self.tell_regime()
        self.probed.clear()
        self.legs.clear()
        for key, line in self.positions.items():
            signed, px = line.quantity * line.sign, Decimal(repr(line.px))
            self.desk.on_fill(line.strategy, line.name, key, quantity=signed, px=px, client_order_id=f"{key}-E")
            self.tell_stop(key, line, line.stop)
        self.tell_accounts()

    def step(self):
        self.ts += 1
        roll = self.dice.next()
        event = next(one for up_to, one in EVENTS if roll < up_to)
        self.events.append(event.__name__)
        event(self)
        self.assert_books()

    def assert_books(self):
        assert self.desk.grants == len(self.working)
        assert self.gate.reserved == len(self.working)
        assert self.gate.closing == len(self.legs)
        assert math.isclose(self.desk.heat(), self.heat(), rel_tol=1e-7, abs_tol=1e-12)
        assert self.desk.breakers.multiplier == (0.5 if "reduce" in self.breakers.on else 1.0)

    def wind_down(self):
        """Close everything; then nothing may be left anywhere."""
        for key in list(self.working):
            self.end(key)
        for key, line in list(self.positions.items()):
            self.close(key, line, True)
        assert (self.desk.grants, self.gate.reserved, self.gate.closing) == (0, 0, 0)
        for name in IDS:
            assert self.gate.reserved_quantity(name) == 0
        book = self.desk.book(self.ts)
        assert (book.positions, book.working) == ((), ())
        assert (self.desk.open_risk, self.desk.exposure()) == (0, (0.0, 0.0))


EVENTS = (
    (0.30, Account.batch),
    (0.52, Account.working_event),
    (0.59, Account.stop_event),
    (0.67, Account.close_event),
    (0.73, Account.foreign_order),
    (0.76, Account.attack),
    (0.84, Account.market),
    (0.89, Account.equity_mark),
    (0.93, Account.regime_update),
    (0.975, Account.breaker_event),
    (0.982, Account.week),
    (1.0, Account.restart),
)
"""What happens, by the upper end of its share of the dice."""

REACHED = {
    *("granted", "mode", "regime_weight", "one_position", "conflict", "risk_size", "allocation", "participation"),
    *("heat", "correlation", "sector", "instrument_cap", "cash", "positions_strategy", "positions_total", "minimum"),
    *("half_rule", "foreign passed", "foreign denied"),
}


def live(account, n_events):
    """Let things happen to an account; return it."""
    for _ in range(n_events):
        account.step()
    return account


def run_sequences(seeds):
    """Run one sequence for each seed; return how often each verdict was given."""
    seen = Counter()
    for seed in seeds:
        account = Account(seed)
        try:
            live(account, N_EVENTS).wind_down()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, after {account.events}: {error}") from error
        seen += account.seen
    return seen


@pytest.mark.parametrize("chunk", range(4))
def test_sequences_short_form_keep_every_limit(chunk):
    seen = run_sequences(range(chunk * 500, (chunk + 1) * 500))
    # The sequences must get to where the limits are, or they prove nothing.
    assert seen["granted"] > 1_000
    assert seen["foreign passed"] > 30
    assert {name: count for name, count in seen.items() if count < 5} == {}
    assert set(seen) == REACHED


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(100))
def test_sequences_long_form_keep_every_limit(chunk):
    first = 1_000_000 + chunk * 1_000
    assert run_sequences(range(first, first + 1_000))["granted"] > 2_000


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 40), st.data())
def test_order_of_arrival_changes_nothing(seed, n_events, data):
    """Two equal accounts get the same batch in two orders; confidences are few, so that ties must be broken."""
    first, second = (live(Account(seed), n_events) for _ in range(2))
    levels = st.sampled_from((0.5, 0.55, 0.7, 0.75, math.nan))
    proposals = [first.propose() for _ in range(data.draw(st.integers(2, 9)))]
    proposals = [
        msgspec.structs.replace(p, signal=msgspec.structs.replace(p.signal, confidence=data.draw(levels)))
        for p in proposals
    ]
    shuffled = data.draw(st.permutations(proposals))
    ts = first.ts
    assert repr(first.desk.decide(proposals, ts)) == repr(second.desk.decide(shuffled, ts))
    assert repr(first.desk.book(ts).positions) == repr(second.desk.book(ts).positions)
    assert first.desk.book(ts).working == second.desk.book(ts).working


@pytest.mark.parametrize("seed", range(12))
def test_sequence_repeated_gives_the_same_verdicts(seed):
    assert live(Account(seed), 100).trail == live(Account(seed), 100).trail != []


@pytest.mark.parametrize("seed", range(12))
def test_desk_and_gate_reset_equal_new_ones(seed):
    # The same settings, for they are no state; another life before.
    used = live(Account(seed + 6 * len(VARIANTS)), 100)
    assert live(Account(seed, used), 100).trail == live(Account(seed), 100).trail
