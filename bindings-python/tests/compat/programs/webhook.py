"""Seed 4, the fourth program, without its server over aiohttp. Changed: the port is one that is free."""

import asyncio
from confmesh.compat import WebhookConfigManager

async def webhook_config_example():
    """Example of webhook-based configuration updates."""

    manager = WebhookConfigManager()

    manager.webhook_server.port = 0

    # Start webhook listener
    await manager.start_webhook_listener()

    # The server will now receive POST requests at /webhook/config
    # Example payload:
    # {
    #   "config_name": "myapp",
    #   "config_data": {
    #     "api_url": "https://new-api.example.com",
    #     "timeout_seconds": 45,
    #     "debug_mode": true
    #   }
    # }

    # Keep server running
    try:
        await asyncio.sleep(3600)  # Run for 1 hour
    except KeyboardInterrupt:
        print("Shutting down webhook server")

# Usage
asyncio.run(webhook_config_example())
