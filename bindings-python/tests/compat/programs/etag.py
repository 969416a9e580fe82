"""Seed 4, the second program, without its loader over aiohttp: what it leaves undefined is imported."""

import asyncio
import os
from typing import Any, Callable

from confmesh.compat import EtagHTTPLoader, PollingConfigManager, RemoteAppConfig, get_logger

logger = get_logger(__name__)

class EtagPollingManager(PollingConfigManager):
    """Polling manager using Etag-based change detection."""

    async def _poll_loop(self, config_name: str, loader_func: Callable):
        """Enhanced poll loop with etag support."""

        while True:
            try:
                # Load configuration if changed
                config_data, has_changed = await loader_func()

                if has_changed and config_data:
                    # Create new config instance
                    new_config = RemoteAppConfig(**config_data)

                    # Get current configuration
                    current_config = await self.get(config_name)

                    if current_config != new_config:
                        changes = current_config.diff(new_config) if current_config else {}

                        await self.set(config_name, new_config)

                        logger.info(f"Configuration updated via etag",
                                   config_name=config_name)

                        # Notify callbacks
                        await self._notify_callbacks(config_name, new_config, changes)

                # Wait for next poll
                await asyncio.sleep(self.poll_interval)

            except asyncio.CancelledError:
                break
            except Exception as e:
                logger.error(f"Etag polling error",
                           config_name=config_name,
                           error=str(e))
                await asyncio.sleep(self.poll_interval)

async def etag_polling_example():
    """Example of Etag-based polling."""

    loader = EtagHTTPLoader(os.environ["CONFIG_URL"])
    manager = EtagPollingManager(poll_interval=10.0)  # More frequent polling

    async def load_with_etag():
        return await loader.load_if_changed("/api/config/myapp.json")

    await manager.start_polling("app", load_with_etag)

    # This will only fetch when the server indicates changes
    await asyncio.sleep(120)

    await manager.stop_polling("app")

# Usage
asyncio.run(etag_polling_example())
