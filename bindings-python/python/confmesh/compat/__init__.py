"""The names that programs written for the libraries before confmesh use, over confmesh.

What declares fields needs attrs: `pip install 'confmesh[compat]'`. docs/compat.md says what is here, and what is otherwise than it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._conflicts import ConfigurationConflictResolver, ConflictResolutionStrategy, Operation, OperationalTransform
from ._declared import BaseConfig, ConfigSource, RuntimeConfig, env_field, field
from ._kafka import ConfigEventConsumer, ConfigEventProducer
from ._loading import EtagHTTPLoader, HashBasedLoader, HTTPConfigLoader, Logger, get_logger
from ._locks import DistributedConfigLock
from ._manager import ConfigManager
from ._merging import AdvancedConfigSync, MultiSourceConfigSync
from ._monitor import SyncMetrics, SyncPerformanceMonitor
from ._mqtt import MQTTConfigPublisher, MQTTConfigSubscriber
from ._polling import (
    AdaptivePollingManager,
    EtagPollingManager,
    PollingConfigManager,
    RateLimitedPollingManager,
    ResilientPollingManager,
)
from ._presets import (
    create_development_sync,
    create_ha_addon_sync,
    create_single_instance_sync,
    create_sync_manager_from_config,
    setup_sync_logging,
    validate_sync_config,
)
from ._realtime import (
    ConflictInfo,
    MonitoredRealtimeSyncManager,
    RealtimeSyncManager,
    SyncEvent,
    SyncEventType,
    SyncScope,
    WebSocketHandler,
    create_realtime_sync_manager,
)
from ._syncing import (
    ConfigSyncClient,
    ConfigSyncManager,
    ConfigSyncServer,
    ConfigVersioning,
    ConfigWatcher,
    SyncMessage,
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
    "ConfigEventConsumer",
    "ConfigEventProducer",
    "ConfigFileWatcher",
    "ConfigManager",
    "ConfigSource",
    "ConfigSyncClient",
    "ConfigSyncManager",
    "ConfigSyncServer",
    "ConfigVersioning",
    "ConfigWatcher",
    "ConfigWebhookServer",
    "ConfigurationConflictResolver",
    "ConflictInfo",
    "ConflictResolutionStrategy",
    "DistributedConfigLock",
    "EnvironmentWatcher",
    "EtagHTTPLoader",
    "EtagPollingManager",
    "FileSystemEvent",
    "FileSystemEventHandler",
    "HTTPConfigLoader",
    "HashBasedLoader",
    "Logger",
    "MQTTConfigPublisher",
    "MQTTConfigSubscriber",
    "MonitoredRealtimeSyncManager",
    "MultiFileConfigWatcher",
    "MultiSourceConfigSync",
    "Observer",
    "Operation",
    "OperationalTransform",
    "PollingConfigManager",
    "RateLimitedPollingManager",
    "RealtimeSyncManager",
    "RemoteAppConfig",
    "ResilientPollingManager",
    "RuntimeConfig",
    "SyncEvent",
    "SyncEventType",
    "SyncMessage",
    "SyncMetrics",
    "SyncPerformanceMonitor",
    "SyncScope",
    "WebSocketHandler",
    "WebhookConfigManager",
    "create_development_sync",
    "create_ha_addon_sync",
    "create_realtime_sync_manager",
    "create_single_instance_sync",
    "create_sync_manager_from_config",
    "env_field",
    "field",
    "get_logger",
    "setup_sync_logging",
    "validate_config_consistency",
    "validate_sync_config",
]


def __getattr__(name: str) -> Any:
    # Only these need attrs when they are imported.
    if name in ("RemoteAppConfig", "validate_config_consistency"):
        from . import _remote

        return getattr(_remote, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
