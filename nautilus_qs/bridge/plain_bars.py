"""Bars straight to ``on_bar``: for components that register no indicators with the engine."""

from typing import Any


class PlainBars:
    """Goes before ``Actor`` or ``Strategy`` among the bases of a component.

    NautilusTrader looks the bar's type up among registered indicators first. The type is hashed as text, which takes
    longer than most of what our components do with a bar, and none of them registers an indicator.
    """

    is_running: bool
    on_bar: Any

    def handle_bar(self, bar: Any) -> None:
        """Hand a bar on while the component runs; errors are not caught, as in the engine's own method."""
        if self.is_running:
            self.on_bar(bar)
