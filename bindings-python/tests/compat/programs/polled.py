"""Seed 4, the first program: a document over HTTP, polled. Changed: what it leaves undefined is imported."""

import asyncio
import os
from typing import Callable
from confmesh.compat import ConfigManager, HTTPConfigLoader, RemoteAppConfig
from confmesh.compat import get_logger

logger = get_logger(__name__)

class PollingConfigManager(ConfigManager):
    """Configuration manager with automatic polling for updates."""

    def __init__(self, poll_interval: float = 60.0):
        super().__init__()
        self.poll_interval = poll_interval
        self._polling_tasks: dict[str, asyncio.Task] = {}
        self._update_callbacks: dict[str, list[Callable]] = {}

    async def start_polling(self, config_name: str, loader_func: Callable):
        """Start polling for configuration updates."""

        if config_name in self._polling_tasks:
            logger.warning(f"Already polling {config_name}")
            return

        logger.info(f"Starting configuration polling",
                   config_name=config_name,
                   interval=self.poll_interval)

        task = asyncio.create_task(
            self._poll_loop(config_name, loader_func)
        )
        self._polling_tasks[config_name] = task

    async def stop_polling(self, config_name: str):
        """Stop polling for a configuration."""

        if config_name not in self._polling_tasks:
            return

        task = self._polling_tasks.pop(config_name)
        task.cancel()

        try:
            await task
        except asyncio.CancelledError:
            pass

        logger.info(f"Stopped configuration polling", config_name=config_name)

    def on_update(self, config_name: str, callback: Callable):
        """Register callback for configuration updates."""

        if config_name not in self._update_callbacks:
            self._update_callbacks[config_name] = []

        self._update_callbacks[config_name].append(callback)

    async def _poll_loop(self, config_name: str, loader_func: Callable):
        """Main polling loop for configuration updates."""

        while True:
            try:
                # Load fresh configuration
                new_config = await loader_func()

                # Get current configuration
                current_config = await self.get(config_name)

                # Check for changes
                if current_config is None:
                    # First time loading
                    await self.set(config_name, new_config)
                    logger.info(f"Initial configuration loaded", config_name=config_name)

                elif current_config != new_config:
                    # Configuration changed
                    changes = current_config.diff(new_config) if hasattr(current_config, 'diff') else {}

                    await self.set(config_name, new_config)

                    logger.info(f"Configuration updated",
                               config_name=config_name,
                               changes_count=len(changes))

                    # Notify callbacks
                    if config_name in self._update_callbacks:
                        for callback in self._update_callbacks[config_name]:
                            try:
                                await callback(new_config, changes)
                            except Exception as e:
                                logger.error(f"Update callback failed",
                                           config_name=config_name,
                                           error=str(e))

                # Wait for next poll
                await asyncio.sleep(self.poll_interval)

            except asyncio.CancelledError:
                logger.info(f"Polling cancelled", config_name=config_name)
                break
            except Exception as e:
                logger.error(f"Polling error",
                           config_name=config_name,
                           error=str(e))
                await asyncio.sleep(self.poll_interval)

async def polling_config_example():
    """Example of automatic configuration polling."""

    manager = PollingConfigManager(poll_interval=30.0)

    # Define loader function
    async def load_remote_config():
        # Simulate remote config loading
        loader = HTTPConfigLoader(base_url=os.environ["CONFIG_URL"])
        config_data = await loader.load("/api/config/myapp.json")
        return RemoteAppConfig(**config_data)

    # Register update callback
    async def on_config_updated(new_config, changes):
        print(f"Configuration updated!")
        for field_name, (old_val, new_val) in changes.items():
            print(f"  {field_name}: {old_val} -> {new_val}")

    manager.on_update("app", on_config_updated)

    # Start polling
    await manager.start_polling("app", load_remote_config)

    try:
        # Keep running
        await asyncio.sleep(300)  # Run for 5 minutes
    finally:
        await manager.stop_polling("app")

# Usage
asyncio.run(polling_config_example())
