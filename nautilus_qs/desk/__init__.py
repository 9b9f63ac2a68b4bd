"""The desk: allocation, sizing, limits and breakers put together into verdicts. Pure: no clock, no I/O, no engine."""

from nautilus_qs.desk.desk import Desk
from nautilus_qs.desk.digest import decision_digest, fill_digest
from nautilus_qs.desk.ids import Leg, client_order_id, make_decision_id
from nautilus_qs.desk.params import DeskParams

__all__ = ["Desk", "DeskParams", "Leg", "client_order_id", "decision_digest", "fill_digest", "make_decision_id"]
