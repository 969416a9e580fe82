"""The names that programs written for the libraries before confmesh use, over confmesh.

What declares fields needs attrs: `pip install 'confmesh[compat]'`. docs/compat.md says what is here, and what is otherwise than it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._declared import BaseConfig, ConfigSource, RuntimeConfig, env_field, field
from ._loading import EtagHTTPLoader, HashBasedLoader, HTTPConfigLoader, Logger, get_logger
from ._manager import ConfigManager
from ._merging import AdvancedConfigSync, MultiSourceConfigSync
from ._polling import (
    AdaptivePollingManager,
    EtagPollingManager,
    PollingConfigManager,
    RateLimitedPollingManager,
    ResilientPollingManager,
)
from ._watching import (
    ConfigFileWatcher,
    EnvironmentWatcher,
    FileSystemEvent,
    FileSystemEventHandler,
    MultiFileConfigWatcher,
    Observer,
)
from ._webhooks import ConfigWebhookServer, WebhookConfigManager

if TYPE_CHECKING:
    from ._remote import RemoteAppConfig, validate_config_consistency

__all__ = [
    "AdaptivePollingManager",
    "AdvancedConfigSync",
    "BaseConfig",
    "ConfigFileWatcher",
    "ConfigManager",
    "ConfigSource",
    "ConfigWebhookServer",
    "EnvironmentWatcher",
    "EtagHTTPLoader",
    "EtagPollingManager",
    "FileSystemEvent",
    "FileSystemEventHandler",
    "HTTPConfigLoader",
    "HashBasedLoader",
    "Logger",
    "MultiFileConfigWatcher",
    "MultiSourceConfigSync",
    "Observer",
    "PollingConfigManager",
    "RateLimitedPollingManager",
    "RemoteAppConfig",
    "ResilientPollingManager",
    "RuntimeConfig",
    "WebhookConfigManager",
    "env_field",
    "field",
    "get_logger",
    "validate_config_consistency",
]


def __getattr__(name: str) -> Any:
    # Only these need attrs when they are imported.
    if name in ("RemoteAppConfig", "validate_config_consistency"):
        from . import _remote

        return getattr(_remote, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
