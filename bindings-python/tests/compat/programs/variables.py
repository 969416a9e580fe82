"""Seed 1, the third program: variables that change."""

import asyncio
import os
from typing import Dict, Set, Callable, Optional
from attrs import define
from confmesh.compat import RuntimeConfig, env_field

@define
class WatchedEnvConfig(RuntimeConfig):
    """Configuration loaded from environment variables."""

    api_url: str = env_field(
        default="http://localhost:8080",
        env_var="API_URL",
        description="API endpoint URL"
    )
    max_workers: int = env_field(
        default=4,
        env_var="MAX_WORKERS",
        parser=int,
        description="Maximum worker threads"
    )
    debug_enabled: bool = env_field(
        default=False,
        env_var="DEBUG_ENABLED",
        parser=lambda x: x.lower() in ('true', '1', 'yes', 'on'),
        description="Enable debug mode"
    )
    log_level: str = env_field(
        default="INFO",
        env_var="LOG_LEVEL",
        description="Logging level"
    )

class EnvironmentWatcher:
    """Monitor environment variables for changes."""

    def __init__(self, poll_interval: float = 5.0):
        self.poll_interval = poll_interval
        self.watched_vars: Dict[str, str] = {}  # var_name -> current_value
        self.callbacks: Dict[str, list[Callable]] = {}  # var_name -> callbacks
        self._running = False
        self._task: Optional[asyncio.Task] = None

    def watch_var(self, var_name: str, callback: Callable):
        """Watch an environment variable for changes."""
        current_value = os.getenv(var_name, "")
        self.watched_vars[var_name] = current_value

        if var_name not in self.callbacks:
            self.callbacks[var_name] = []
        self.callbacks[var_name].append(callback)

    def watch_vars(self, var_names: list[str], callback: Callable):
        """Watch multiple environment variables with single callback."""
        for var_name in var_names:
            self.watch_var(var_name, callback)

    async def start(self):
        """Start watching for environment variable changes."""
        if self._running:
            return

        self._running = True
        self._task = asyncio.create_task(self._watch_loop())
        print(f"Started environment watcher (poll interval: {self.poll_interval}s)")

    async def stop(self):
        """Stop watching for changes."""
        self._running = False
        if self._task:
            self._task.cancel()
            try:
                await self._task
            except asyncio.CancelledError:
                pass
        print("Stopped environment watcher")

    async def _watch_loop(self):
        """Main watching loop."""
        while self._running:
            try:
                changes = self._check_for_changes()

                if changes:
                    print(f"Environment changes detected: {list(changes.keys())}")
                    await self._notify_callbacks(changes)

                await asyncio.sleep(self.poll_interval)

            except asyncio.CancelledError:
                break
            except Exception as e:
                print(f"Environment watcher error: {e}")
                await asyncio.sleep(self.poll_interval)

    def _check_for_changes(self) -> Dict[str, tuple[str, str]]:
        """Check for environment variable changes."""
        changes = {}

        for var_name, old_value in self.watched_vars.items():
            current_value = os.getenv(var_name, "")

            if current_value != old_value:
                changes[var_name] = (old_value, current_value)
                self.watched_vars[var_name] = current_value

        return changes

    async def _notify_callbacks(self, changes: Dict[str, tuple[str, str]]):
        """Notify callbacks of environment changes."""
        notified_callbacks = set()

        for var_name, (old_value, new_value) in changes.items():
            if var_name in self.callbacks:
                for callback in self.callbacks[var_name]:
                    if callback not in notified_callbacks:
                        try:
                            await callback(changes)
                            notified_callbacks.add(callback)
                        except Exception as e:
                            print(f"Callback error for {var_name}: {e}")

async def environment_watching_example():
    """Example of watching environment variables."""

    # Initial environment setup
    os.environ["API_URL"] = "http://localhost:8080"
    os.environ["MAX_WORKERS"] = "4"
    os.environ["DEBUG_ENABLED"] = "false"
    os.environ["LOG_LEVEL"] = "INFO"

    # Load initial configuration
    config = WatchedEnvConfig.from_env()

    print("Initial configuration:")
    print(f"  API URL: {config.api_url}")
    print(f"  Max workers: {config.max_workers}")
    print(f"  Debug: {config.debug_enabled}")
    print(f"  Log level: {config.log_level}")

    async def on_config_change(changes: Dict[str, tuple[str, str]]):
        """Handle configuration changes."""
        print("\nEnvironment configuration changed:")

        # Reload configuration from environment
        new_config = WatchedEnvConfig.from_env()

        for var_name, (old_value, new_value) in changes.items():
            print(f"  {var_name}: {old_value} -> {new_value}")

        # Show configuration impact
        print("Updated configuration:")
        print(f"  API URL: {new_config.api_url}")
        print(f"  Max workers: {new_config.max_workers}")
        print(f"  Debug: {new_config.debug_enabled}")
        print(f"  Log level: {new_config.log_level}")

        # Here you would typically apply the new configuration
        # to your application components

    # Setup environment watcher
    watcher = EnvironmentWatcher(poll_interval=1.0)  # Fast polling for demo
    watcher.watch_vars([
        "API_URL", "MAX_WORKERS", "DEBUG_ENABLED", "LOG_LEVEL"
    ], on_config_change)

    await watcher.start()

    try:
        # Simulate environment changes
        print("\nSimulating environment variable changes...")

        await asyncio.sleep(2)
        os.environ["DEBUG_ENABLED"] = "true"
        os.environ["LOG_LEVEL"] = "DEBUG"

        await asyncio.sleep(3)
        os.environ["API_URL"] = "http://api.production.com"
        os.environ["MAX_WORKERS"] = "8"

        await asyncio.sleep(3)
        os.environ["LOG_LEVEL"] = "ERROR"

        # Wait for final changes to be detected
        await asyncio.sleep(2)

    finally:
        await watcher.stop()

# Run example
asyncio.run(environment_watching_example())
