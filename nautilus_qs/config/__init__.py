"""Settings: YAML, then ``NQS__*`` environment variables, then ``--set``, decoded into frozen structs.

An unknown key is an error with the nearest known one; nothing that can lose money has a default here that is not also
the documented rule. Secrets are no part of any file.
"""

from nautilus_qs.config.hints import decode
from nautilus_qs.config.live import LiveConfig, LiveVenue
from nautilus_qs.config.loading import configs_dir, find_config, load, read_yaml, schema, to_values
from nautilus_qs.config.parts import DataConfig, ExecutionConfig, RegimeConfig, StrategyEntry, VenueConfig
from nautilus_qs.config.run import RunConfig, span_ns
from nautilus_qs.config.system import SystemConfig

__all__ = [
    "DataConfig",
    "ExecutionConfig",
    "LiveConfig",
    "LiveVenue",
    "RegimeConfig",
    "RunConfig",
    "StrategyEntry",
    "SystemConfig",
    "VenueConfig",
    "configs_dir",
    "decode",
    "find_config",
    "load",
    "read_yaml",
    "schema",
    "span_ns",
    "to_values",
]
