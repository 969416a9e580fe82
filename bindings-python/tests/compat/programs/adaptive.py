"""Seed 4, the fifth program: an interval that follows how often a document changes."""

import asyncio
import os
from typing import Any, Callable

from confmesh.compat import PollingConfigManager, RemoteAppConfig, get_logger

logger = get_logger(__name__)

class AdaptivePollingManager(PollingConfigManager):
    """Polling manager with adaptive intervals based on change frequency."""

    def __init__(self,
                 base_interval: float = 60.0,
                 min_interval: float = 10.0,
                 max_interval: float = 300.0):
        super().__init__(base_interval)
        self.min_interval = min_interval
        self.max_interval = max_interval
        self._change_history: dict[str, list[float]] = {}

    async def _poll_loop(self, config_name: str, loader_func: Callable):
        """Poll loop with adaptive intervals."""

        current_interval = self.poll_interval

        while True:
            try:
                poll_start = asyncio.get_event_loop().time()

                # Load and check for changes
                new_config = await loader_func()
                current_config = await self.get(config_name)

                has_changed = (current_config != new_config)

                if has_changed:
                    # Record change time
                    if config_name not in self._change_history:
                        self._change_history[config_name] = []

                    self._change_history[config_name].append(poll_start)

                    # Update configuration
                    await self.set(config_name, new_config)

                    # Adapt polling interval based on recent changes
                    current_interval = self._adapt_interval(config_name)

                    logger.info(f"Configuration changed, adapted interval to {current_interval}s",
                               config_name=config_name)

                # Wait for next poll
                await asyncio.sleep(current_interval)

            except asyncio.CancelledError:
                break
            except Exception as e:
                logger.error(f"Adaptive polling error",
                           config_name=config_name,
                           error=str(e))
                await asyncio.sleep(current_interval)

    def _adapt_interval(self, config_name: str) -> float:
        """Adapt polling interval based on change history."""

        if config_name not in self._change_history:
            return self.poll_interval

        changes = self._change_history[config_name]
        current_time = asyncio.get_event_loop().time()

        # Keep only recent changes (last hour)
        recent_changes = [t for t in changes if current_time - t < 3600]
        self._change_history[config_name] = recent_changes

        if len(recent_changes) <= 1:
            # Few changes, increase interval
            return min(self.max_interval, self.poll_interval * 1.5)

        elif len(recent_changes) >= 5:
            # Frequent changes, decrease interval
            return max(self.min_interval, self.poll_interval * 0.5)

        else:
            # Moderate changes, keep current interval
            return self.poll_interval

async def adaptive_polling_example():
    """Example of adaptive polling intervals."""

    manager = AdaptivePollingManager(
        base_interval=60.0,
        min_interval=10.0,
        max_interval=300.0
    )

    async def load_config():
        # Simulate varying change frequency
        import random
        return RemoteAppConfig(
            api_url=f"https://api-v{random.randint(1, 3)}.example.com",
            timeout_seconds=30,
            max_retries=3,
            enable_caching=True,
            debug_mode=random.choice([True, False])
        )

    await manager.start_polling("adaptive", load_config)

    # Let it run and adapt
    await asyncio.sleep(600)  # 10 minutes

    await manager.stop_polling("adaptive")

# Usage
asyncio.run(adaptive_polling_example())
