"""The one place that touches private attributes of NautilusTrader 1.231, each with the reason why.

Should an upgrade rename one of them, this file fails loudly and nothing else has to be read.
"""

from collections.abc import Callable
from typing import Any

from nautilus_trader.analysis.analyzer import PortfolioAnalyzer

EXEC_ENDPOINT = "ExecEngine.execute"
EVENT_ENDPOINT = "ExecEngine.process"
RISK_ENDPOINT = "RiskEngine.execute"


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


def is_gate_installed(kernel: Any) -> bool:
    """Return whether something other than the execution engine itself answers at its endpoint."""
    handler = kernel.msgbus._endpoints.get(EXEC_ENDPOINT)
    return handler is not None and getattr(handler, "__self__", None) is not kernel.exec_engine


def skip_quadratic_analysis() -> None:
    """Stop the portfolio analyzer from appending each closed trade to a growing pandas Series.

    It is quadratic in the number of trades and we read none of its numbers: every statistic comes from
    :mod:`nautilus_qs.performance`.
    """
    PortfolioAnalyzer.record_trade = lambda *_args, **_kwargs: None
