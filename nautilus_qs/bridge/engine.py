"""The one place that touches private attributes of NautilusTrader 1.231, each with the reason why.

Should an upgrade rename one of them, this file fails loudly and nothing else has to be read.
"""

from collections.abc import Callable
from typing import Any

from nautilus_trader.analysis.analyzer import PortfolioAnalyzer
from nautilus_trader.common.config import MessageBusConfig
from nautilus_trader.execution import messages
from nautilus_trader.model import data, events, instruments


class _LastingList(list[type]):
    """A list that survives being taken over: NautilusTrader empties the one in its configuration, whose id changes."""

    def __copy__(self) -> list[type]:
        return list(self)

    def clear(self) -> None:
        """Keep what is there."""


def silent_bus() -> MessageBusConfig:
    """Return the configuration of a message bus that publishes nothing outside the process.

    By default every message is held against some seventy types that could be published, one by one, whether or not
    anybody outside listens: that takes longer than to deliver a bar.
    """
    named = (one for module in (data, events, instruments, messages) for one in vars(module).values())
    types = [str, int, float, bytes, *(one for one in named if isinstance(one, type))]
    return MessageBusConfig(types_filter=_LastingList(types))


EXEC_ENDPOINT = "ExecEngine.execute"
EVENT_ENDPOINT = "ExecEngine.process"


class GateProbe:
    """A question to whoever stands at the execution engine's endpoint: the gate marks it, the engine refuses it."""

    __slots__ = ("is_answered",)

    def __init__(self) -> None:
        self.is_answered = False


def interpose_gate(controller: Any, gate: Callable[[Any], None]) -> Callable[[Any], None]:
    """Put `gate` before the execution engine and return what executes a command that may pass.

    The endpoint is the single point that every order passes: plain, listed, released by the emulator or spawned by an
    execution algorithm. The trader's execution engine has no public accessor.

    Raises
    ------
    KeyError
        If the endpoint is not where it was: the wiring of NautilusTrader changed, and no order may be sent.
    """
    execute: Callable[[Any], None] = controller._trader._exec_engine.execute
    controller.msgbus.deregister(EXEC_ENDPOINT, execute)
    controller.msgbus.register(EXEC_ENDPOINT, gate)
    return execute


def gate_answers(msgbus: Any) -> bool:
    """Return whether the gate stands at the execution engine's endpoint."""
    probe = GateProbe()
    try:
        msgbus.send(EXEC_ENDPOINT, probe)
    except TypeError:  # the engine itself takes nothing but commands
        return False
    return probe.is_answered


def skip_quadratic_analysis() -> None:
    """Stop the portfolio analyzer from appending each closed trade to a growing pandas Series.

    It is quadratic in the number of trades and we read none of its numbers: every statistic comes from
    :mod:`nautilus_qs.performance`.
    """
    PortfolioAnalyzer.record_trade = lambda *_args, **_kwargs: None
