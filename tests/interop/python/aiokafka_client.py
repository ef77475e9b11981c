"""aiokafka: the asyncio client. Its event loop runs in a thread of its own, so that members keep their heartbeat."""

import asyncio
import threading

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

import scenario

LOOP = asyncio.new_event_loop()
threading.Thread(target=LOOP.run_forever, daemon=True).start()
DEFAULT_CONFIG = 5  # the config source of a value nobody set


def run(coroutine):
    return asyncio.run_coroutine_threadsafe(coroutine, LOOP).result(2 * scenario.WAIT_S)


def message(got):
    return scenario.Message(got.offset, got.timestamp, got.key, got.value, got.headers)


async def started(kind, *args, **config):
    client = kind(*args, bootstrap_servers=scenario.BOOTSTRAP, **config)
    await client.start()
    return client


async def consumer(*topics, **config):
    return await started(AIOKafkaConsumer, *topics, enable_auto_commit=False, auto_offset_reset="earliest", **config)


def succeeded(response):
    """Answers of the admin client carry their error codes as data."""
    for entry in getattr(response, "topics", None) or getattr(response, "topic_errors", None) or response.topic_error_codes:
        assert entry[1] == 0, f"error in {entry}"


class Member:
    def __init__(self, group, topic, max_records):
        self.max_records = max_records
        self.consumer = run(consumer(topic, group_id=group, heartbeat_interval_ms=500))

    def poll(self):
        batches = run(self.consumer.getmany(timeout_ms=100, max_records=self.max_records))
        return [message(one) for batch in batches.values() for one in batch]

    def assignment(self):
        return self.consumer.assignment()

    def commit(self):
        run(self.consumer.commit())

    def close(self):
        run(self.consumer.stop())


class Client(scenario.Client):
    admin = run(started(AIOKafkaAdminClient))

    def create_topic(self, topic, partitions, configs):
        succeeded(run(self.admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs)])))

    def produce(self, records, codec="none", idempotent=False):
        async def send():
            producer = await started(AIOKafkaProducer, compression_type=None if codec == "none" else codec,
                                     enable_idempotence=idempotent, linger_ms=20)
            sent = [await producer.send(r.topic, r.value, r.key, r.partition, r.timestamp, r.headers) for r in records]
            await producer.stop()
            return [(await one).offset for one in sent]
        return run(send())

    def read(self, topic, partition, offset, count):
        async def get():
            reader, at = await consumer(), TopicPartition(topic, partition)
            reader.assign([at])
            reader.seek(at, offset)
            messages = [message(await asyncio.wait_for(reader.getone(), scenario.WAIT_S)) for _ in range(count)]
            await reader.stop()
            return messages
        return run(get())

    def offset_at(self, topic, partition, timestamp):
        async def find():
            reader, at = await consumer(), TopicPartition(topic, partition)
            found = (await reader.offsets_for_times({at: timestamp}))[at]
            await reader.stop()
            return found and found.offset
        return run(find())

    def earliest(self, topic, partition):
        async def find():
            reader, at = await consumer(), TopicPartition(topic, partition)
            found = await reader.beginning_offsets([at])
            await reader.stop()
            return found[at]
        return run(find())

    def member(self, group, topic, max_records=100):
        return Member(group, topic, max_records)

    def cluster(self):
        cluster = run(self.admin.describe_cluster())
        return cluster["cluster_id"], cluster["controller_id"], [broker["node_id"] for broker in cluster["brokers"]]

    def topics(self):
        return run(self.admin.list_topics())

    def describe_topic(self, topic):
        partitions = run(self.admin.describe_topics([topic]))[0]["partitions"]
        return {p["partition"]: (p["leader"], p["replicas"], p["isr"]) for p in partitions}

    def configs(self, topic):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        entries = run(self.admin.describe_configs([resource]))[0].resources[0][4]
        return {entry[0]: (entry[1], entry[3] == DEFAULT_CONFIG) for entry in entries}

    def set_config(self, topic, key, value):
        # AlterConfigs replaces the whole set of a topic's configs.
        run(self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {key: value})]))

    def reset_config(self, topic, key):
        run(self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {})]))

    def create_partitions(self, topic, count):
        run(self.admin.create_partitions({topic: NewPartitions(count)}))

    def delete_records(self, topic, partition, before):
        at = TopicPartition(topic, partition)
        return run(self.admin.delete_records({at: RecordsToDelete(before)}))[at]

    def groups(self):
        return [group[0] for group in run(self.admin.list_consumer_groups())]

    def describe_group(self, group):
        got = run(self.admin.describe_consumer_groups([group]))[0].groups[0]
        return got[2], len(got[5])

    def group_offset(self, group, topic, partition):
        return run(self.admin.list_consumer_group_offsets(group))[TopicPartition(topic, partition)].offset

    def delete_topic(self, topic):
        succeeded(run(self.admin.delete_topics([topic])))


scenario.run(Client())
