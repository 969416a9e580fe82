"""Seed 4, the third program: what has another hash has changed. Changed: what it leaves undefined is imported."""

import asyncio
import hashlib
import os
from typing import Any, Callable
from confmesh.compat import HTTPConfigLoader, RemoteAppConfig

class HashBasedLoader:
    """Configuration loader with hash-based change detection."""

    def __init__(self, loader_func: Callable):
        self.loader_func = loader_func
        self._content_hashes: dict[str, str] = {}

    async def load_if_changed(self, config_key: str) -> tuple[dict[str, Any] | None, bool]:
        """Load configuration only if content hash has changed."""

        # Load raw configuration
        config_data = await self.loader_func()

        # Calculate content hash
        import json
        content_str = json.dumps(config_data, sort_keys=True)
        content_hash = hashlib.sha256(content_str.encode()).hexdigest()

        # Check if hash has changed
        cached_hash = self._content_hashes.get(config_key)

        if cached_hash == content_hash:
            return None, False  # No change

        # Update hash cache
        self._content_hashes[config_key] = content_hash

        return config_data, True

async def hash_detection_example():
    """Example of hash-based change detection."""

    async def load_raw_config():
        # Simulate loading from various sources
        loader = HTTPConfigLoader(os.environ["CONFIG_URL"])
        return await loader.load("/api/config/myapp.json")

    hash_loader = HashBasedLoader(load_raw_config)

    # Check for changes
    for i in range(5):
        config_data, has_changed = await hash_loader.load_if_changed("myapp")

        if has_changed:
            print(f"Check {i + 1}: Configuration changed")
            config = RemoteAppConfig(**config_data)
            print(f"  New API URL: {config.api_url}")
        else:
            print(f"Check {i + 1}: No changes detected")

        await asyncio.sleep(5)

# Usage
asyncio.run(hash_detection_example())
