"""Seed 0, the first program, and seed 1, the fourth, which are one: a file, a second one over it, and variables over both."""

import asyncio
import json
from pathlib import Path
from typing import Dict, Any, Optional
from attrs import define
from confmesh.compat import BaseConfig, ConfigManager, field

@define
class SyncedConfig(BaseConfig):
    """Configuration that synchronizes across multiple sources."""

    feature_enabled: bool = field(default=False, description="Feature enabled")
    rate_limit: int = field(default=100, description="Rate limit")
    timeout_ms: int = field(default=5000, description="Timeout milliseconds")
    api_version: str = field(default="v1", description="API version")

class MultiSourceConfigSync:
    """Synchronize configuration across file, environment, and remote sources."""

    def __init__(self, config_name: str, manager: ConfigManager):
        self.config_name = config_name
        self.manager = manager
        self.sources = {}  # source_name -> source_handler
        self.last_sync_time = 0

    def add_file_source(self, file_path: Path, priority: int = 10):
        """Add file as configuration source."""
        self.sources[f"file:{file_path}"] = {
            "type": "file",
            "path": file_path,
            "priority": priority,
            "loader": self._load_from_file
        }

    def add_env_source(self, env_prefix: str, priority: int = 20):
        """Add environment variables as configuration source."""
        self.sources[f"env:{env_prefix}"] = {
            "type": "env",
            "prefix": env_prefix,
            "priority": priority,
            "loader": self._load_from_env
        }

    async def _load_from_file(self, source_info: dict) -> Dict[str, Any]:
        """Load configuration from file."""
        file_path = source_info["path"]
        if not file_path.exists():
            return {}

        try:
            content = file_path.read_text()
            return json.loads(content)
        except Exception as e:
            print(f"Error loading from file {file_path}: {e}")
            return {}

    async def _load_from_env(self, source_info: dict) -> Dict[str, Any]:
        """Load configuration from environment variables."""
        import os
        prefix = source_info["prefix"]
        config = {}

        env_mappings = {
            f"{prefix}_FEATURE_ENABLED": ("feature_enabled", lambda x: x.lower() == 'true'),
            f"{prefix}_RATE_LIMIT": ("rate_limit", int),
            f"{prefix}_TIMEOUT_MS": ("timeout_ms", int),
            f"{prefix}_API_VERSION": ("api_version", str),
        }

        for env_var, (config_key, parser) in env_mappings.items():
            value = os.getenv(env_var)
            if value is not None:
                try:
                    config[config_key] = parser(value)
                except Exception as e:
                    print(f"Error parsing {env_var}={value}: {e}")

        return config

    async def sync_configuration(self) -> Optional[SyncedConfig]:
        """Synchronize configuration from all sources."""
        print(f"Synchronizing configuration from {len(self.sources)} sources")

        # Load from all sources
        source_data = []
        for source_name, source_info in self.sources.items():
            data = await source_info["loader"](source_info)
            if data:
                source_data.append((source_info["priority"], source_name, data))

        # Sort by priority (lower number = higher priority)
        source_data.sort(key=lambda x: x[0])

        # Merge configuration with priority order
        merged_config = {}
        source_tracking = {}

        for priority, source_name, data in source_data:
            for key, value in data.items():
                if key not in merged_config:  # First source wins for each key
                    merged_config[key] = value
                    source_tracking[key] = source_name

        if merged_config:
            print("Configuration sources:")
            for key, source in source_tracking.items():
                print(f"  {key}: {source}")

            # Update configuration
            await self.manager.update(self.config_name, merged_config)
            updated_config = await self.manager.get(self.config_name)

            self.last_sync_time = asyncio.get_event_loop().time()
            return updated_config

        return None

async def multi_source_sync_example():
    """Example of multi-source configuration synchronization."""

    # Setup temporary files and environment
    config_dir = Path("tmp/config_sync")
    config_dir.mkdir(exist_ok=True)

    # Primary config file (low priority)
    primary_config = config_dir / "config.json"
    primary_config.write_text(json.dumps({
        "feature_enabled": False,
        "rate_limit": 100,
        "timeout_ms": 5000,
        "api_version": "v1"
    }, indent=2))

    # Override config file (medium priority)
    override_config = config_dir / "overrides.json"
    override_config.write_text(json.dumps({
        "rate_limit": 200,
        "timeout_ms": 10000
    }, indent=2))

    # Environment variables (high priority)
    import os
    os.environ["MYAPP_FEATURE_ENABLED"] = "true"
    os.environ["MYAPP_API_VERSION"] = "v2"

    # Setup configuration manager
    manager = ConfigManager()
    initial_config = SyncedConfig()
    await manager.register("synced", config=initial_config)

    # Setup multi-source sync
    sync = MultiSourceConfigSync("synced", manager)
    sync.add_file_source(primary_config, priority=30)      # Lowest priority
    sync.add_file_source(override_config, priority=20)     # Medium priority
    sync.add_env_source("MYAPP", priority=10)             # Highest priority

    # Initial synchronization
    print("Performing initial synchronization...")
    synced_config = await sync.sync_configuration()

    if synced_config:
        print("\nFinal synchronized configuration:")
        print(f"  Feature enabled: {synced_config.feature_enabled}")  # From env (high priority)
        print(f"  Rate limit: {synced_config.rate_limit}")           # From override file (medium)
        print(f"  Timeout: {synced_config.timeout_ms}")              # From override file (medium)
        print(f"  API version: {synced_config.api_version}")         # From env (high priority)

    # Simulate configuration changes
    print("\nSimulating configuration source changes...")

    # Change override file
    override_config.write_text(json.dumps({
        "rate_limit": 500,
        "timeout_ms": 15000,
        "feature_enabled": False  # This won't override env var due to lower priority
    }, indent=2))

    # Re-sync
    updated_config = await sync.sync_configuration()

    if updated_config:
        print("\nAfter file update:")
        print(f"  Feature enabled: {updated_config.feature_enabled}")  # Still from env
        print(f"  Rate limit: {updated_config.rate_limit}")           # Updated from file
        print(f"  Timeout: {updated_config.timeout_ms}")              # Updated from file
        print(f"  API version: {updated_config.api_version}")         # Still from env

    # Cleanup
    import shutil
    if config_dir.exists():
        shutil.rmtree(config_dir)

# Run example
asyncio.run(multi_source_sync_example())
