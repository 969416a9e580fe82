"""Seed 3, the programs on Kafka, with a few lines that use them. Changed: hosts; what they leave undefined is imported."""

import asyncio
import json
import logging
import os
import time

logger = logging.getLogger("program")

class ConfigEventProducer:
    def __init__(self, bootstrap_servers, security_config=None):
        self.bootstrap_servers = bootstrap_servers
        self.security_config = security_config or {}
        self.producer = None

    async def initialize(self):
        self.producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap_servers,
            value_serializer=lambda x: json.dumps(x).encode('utf-8'),
            key_serializer=lambda x: x.encode('utf-8') if x else None,
            compression_type="gzip",
            max_request_size=10485760,  # 10MB
            request_timeout_ms=30000,
            retry_backoff_ms=1000,
            retries=5,
            acks='all',  # Wait for all replicas
            enable_idempotence=True,  # Prevent duplicates
            **self.security_config
        )
        await self.producer.start()

    async def send_config_event(self, event_data, config_key=None):
        """Send configuration change event to Kafka"""
        topic = self.get_topic_for_config(config_key)
        partition_key = self.get_partition_key(config_key, event_data)

        try:
            record_metadata = await self.producer.send(
                topic,
                value=event_data,
                key=partition_key,
                headers={
                    'event_type': event_data.get('event_type', '').encode(),
                    'tenant_id': event_data.get('tenant_id', '').encode(),
                    'timestamp': str(int(time.time())).encode()
                }
            )

            logger.info(f"Event sent to Kafka: topic={topic}, partition={record_metadata.partition}, offset={record_metadata.offset}")
            return True

        except Exception as e:
            logger.error(f"Failed to send event to Kafka: {e}")
            return False

class ConfigEventConsumer:
    def __init__(self, bootstrap_servers, group_id, security_config=None):
        self.bootstrap_servers = bootstrap_servers
        self.group_id = group_id
        self.security_config = security_config or {}
        self.consumer = None
        self.event_handlers = {}

    async def consume_events(self):
        """Consume configuration events from Kafka"""
        try:
            async for message in self.consumer:
                try:
                    await self.process_event(message)
                except Exception as e:
                    logger.error(f"Error processing Kafka message: {e}")
                    # Continue processing other messages

        except Exception as e:
            logger.error(f"Kafka consumer error: {e}")
            raise

class Application(ConfigEventConsumer):
    async def apply_config_change(self, config_key, new_value, tenant_id):
        print(f"applied {config_key} = {new_value} of {tenant_id}", flush=True)

async def main():
    servers = os.environ["SERVERS"].split(",")
    producer = ConfigEventProducer(servers)
    await producer.initialize()
    consumer = Application(servers, "apg-config-group")
    await consumer.initialize()
    done = asyncio.Event()

    async def on_rollback(event_data, headers):
        print(f"rollback of {headers['tenant_id']} to {event_data['version']}", flush=True)
        done.set()

    consumer.register_handler("rollback", on_rollback)
    consuming = asyncio.create_task(consumer.consume_events())
    event = {"event_type": "config_changed", "tenant_id": "acme", "source_node": "node-2"}
    for key, value in [("app.database.pool.size", 20), ("app.security.mfa", True), ("app.features.dark", False), ("ui", "new")]:
        sent = await producer.send_config_event({**event, "config_key": key, "new_value": value}, key)
        print(f"sent to {producer.get_topic_for_config(key)}: {sent}")
    await asyncio.sleep(1)
    await producer.send_config_event({**event, "event_type": "rollback", "version": 7})
    await asyncio.wait_for(done.wait(), 30)
    await consumer.close()
    await consuming
    await producer.close()

asyncio.run(main())
