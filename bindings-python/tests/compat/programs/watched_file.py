"""Seed 1, the first program: a file that is followed."""

import asyncio
import json
from pathlib import Path
from typing import Callable, Dict, Any
from confmesh.compat import Observer
from confmesh.compat import FileSystemEventHandler
from attrs import define
from confmesh.compat import BaseConfig, ConfigManager, field

@define
class WatchedConfig(BaseConfig):
    """Configuration that can be watched for changes."""

    api_key: str = field(default="default-key", description="API key")
    timeout: int = field(default=30, description="Request timeout")
    enabled: bool = field(default=True, description="Feature enabled")
    endpoints: list[str] = field(factory=list, description="API endpoints")

class ConfigFileWatcher(FileSystemEventHandler):
    """File system event handler for configuration files."""

    def __init__(self, file_path: Path, reload_callback: Callable):
        """
        Initialize file watcher.

        Args:
            file_path: Path to configuration file to watch
            reload_callback: Function to call when file changes
        """
        self.file_path = file_path
        self.reload_callback = reload_callback

    def on_modified(self, event):
        """Handle file modification events."""
        if not event.is_directory and Path(event.src_path) == self.file_path:
            print(f"Configuration file changed: {self.file_path}")
            asyncio.create_task(self.reload_callback())

    def on_moved(self, event):
        """Handle file move events (editor saves often do atomic moves)."""
        if not event.is_directory and Path(event.dest_path) == self.file_path:
            print(f"Configuration file moved/updated: {self.file_path}")
            asyncio.create_task(self.reload_callback())

async def file_watching_example():
    """Example of watching configuration files for changes."""

    # Create configuration file
    config_file = Path("tmp/watched_config.json")
    initial_config = {
        "api_key": "initial-key",
        "timeout": 30,
        "enabled": True,
        "endpoints": ["http://api.example.com"]
    }

    config_file.write_text(json.dumps(initial_config, indent=2))

    # Setup configuration manager
    manager = ConfigManager()
    config = WatchedConfig.from_dict(initial_config)
    await manager.register("watched", config=config)

    async def reload_config():
        """Reload configuration from file."""
        try:
            # Small delay to ensure file write is complete
            await asyncio.sleep(0.1)

            if config_file.exists():
                new_data = json.loads(config_file.read_text())

                # Get current config for comparison
                current_config = await manager.get("watched")

                # Update configuration
                await manager.update("watched", new_data)
                updated_config = await manager.get("watched")

                # Show changes
                differences = current_config.diff(updated_config)
                if differences:
                    print("Configuration updated:")
                    for field, (old_val, new_val) in differences.items():
                        print(f"  {field}: {old_val} -> {new_val}")
                else:
                    print("No configuration changes detected")

        except Exception as e:
            print(f"Error reloading configuration: {e}")

    # Setup file watcher
    event_handler = ConfigFileWatcher(config_file, reload_config)
    observer = Observer()
    observer.schedule(event_handler, str(config_file.parent), recursive=False)
    observer.start()

    try:
        print(f"Watching configuration file: {config_file}")
        print("Initial configuration:")
        initial = await manager.get("watched")
        print(f"  API Key: {initial.api_key}")
        print(f"  Timeout: {initial.timeout}")
        print(f"  Enabled: {initial.enabled}")

        # Simulate file changes
        print("\nSimulating configuration changes...")

        # First change
        await asyncio.sleep(1)
        updated_config = {
            "api_key": "updated-key-123",
            "timeout": 60,
            "enabled": True,
            "endpoints": ["http://api.example.com", "http://backup.example.com"]
        }
        config_file.write_text(json.dumps(updated_config, indent=2))

        # Second change
        await asyncio.sleep(2)
        final_config = {
            "api_key": "final-key-456",
            "timeout": 45,
            "enabled": False,
            "endpoints": ["http://new-api.example.com"]
        }
        config_file.write_text(json.dumps(final_config, indent=2))

        # Wait for file events to be processed
        await asyncio.sleep(1)

    finally:
        observer.stop()
        observer.join()

        # Cleanup
        if config_file.exists():
            config_file.unlink()

# Run example
asyncio.run(file_watching_example())
