"""confluent-kafka: librdkafka from Python."""

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions,
                                   NewTopic, OffsetSpec, ResourceType)

import confluent_kafka_share
import confluent_kafka_transactions
import scenario

CONFIG = {"bootstrap.servers": scenario.BOOTSTRAP}


def message(got):
    return scenario.Message(got.offset(), got.timestamp()[1], got.key(), got.value(), got.headers() or [])


def consumer(**extra):
    return Consumer({**CONFIG, "enable.auto.commit": False, "auto.offset.reset": "earliest", **extra})


class Member:
    def __init__(self, group, topic, max_records, **extra):
        self.max_records = max_records
        self.consumer = consumer(**{"group.id": group, **extra})
        self.consumer.subscribe([topic])

    def poll(self):
        got = self.consumer.consume(self.max_records, 0.1)
        for one in got:
            if one.error():
                raise KafkaException(one.error())
        return [message(one) for one in got]

    def assignment(self):
        return self.consumer.assignment()

    def commit(self):
        self.consumer.commit(asynchronous=False)

    def close(self):
        self.consumer.close()


class Client(scenario.Client):
    admin = AdminClient(CONFIG)

    def create_topic(self, topic, partitions, configs):
        self.admin.create_topics([NewTopic(topic, partitions, 1, config=configs)])[topic].result()

    def produce(self, records, codec="none", idempotent=False):
        offsets = []

        def delivered(error, got):
            if error:
                raise KafkaException(error)
            offsets.append(got.offset())

        producer = Producer({**CONFIG, "compression.type": codec, "linger.ms": 20, "enable.idempotence": idempotent,
                             "max.in.flight": 1})
        for r in records:
            producer.produce(r.topic, r.value, r.key, r.partition, on_delivery=delivered,
                             timestamp=r.timestamp or 0, headers=r.headers)
        producer.flush(scenario.WAIT_S)
        return offsets

    def read(self, topic, partition, offset, count):
        reader, messages = consumer(**{"group.id": "unused"}), []
        reader.assign([TopicPartition(topic, partition, offset)])
        scenario.eventually(f"{count} records", lambda: messages.extend(
            message(one) for one in reader.consume(count, 0.2)) or len(messages) >= count)
        reader.close()
        return messages

    def offset_at(self, topic, partition, timestamp):
        reader = consumer(**{"group.id": "unused"})
        offset = reader.offsets_for_times([TopicPartition(topic, partition, timestamp)], scenario.WAIT_S)[0].offset
        reader.close()
        return offset if offset >= 0 else None

    def member(self, group, topic, max_records=100):
        return Member(group, topic, max_records, **{"heartbeat.interval.ms": 500})

    def consumer_protocol_member(self, group, topic):
        """A member of a group of the consumer protocol (KIP-848)."""
        return Member(group, topic, 100, **{"group.protocol": "consumer"})

    def pattern_member(self, group, topic):
        """The same, which subscribes to a pattern that the broker matches."""
        return Member(group, f"^{topic[:-1]}.$", 100, **{"group.protocol": "consumer"})

    def cluster(self):
        cluster = self.admin.describe_cluster().result()
        return cluster.cluster_id, cluster.controller.id, [node.id for node in cluster.nodes]

    def topics(self):
        return self.admin.list_topics(timeout=scenario.WAIT_S).topics

    def describe_topic(self, topic):
        partitions = self.admin.list_topics(topic, scenario.WAIT_S).topics[topic].partitions
        return {p.id: (p.leader, p.replicas, p.isrs) for p in partitions.values()}

    def configs(self, topic):
        resource = ConfigResource(ResourceType.TOPIC, topic)
        entries = self.admin.describe_configs([resource])[resource].result()
        return {key: (entry.value, entry.is_default) for key, entry in entries.items()}

    def set_config(self, topic, key, value, operation=AlterConfigOpType.SET):
        change = ConfigEntry(key, value, incremental_operation=operation)
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[change])
        self.admin.incremental_alter_configs([resource])[resource].result()

    def reset_config(self, topic, key):
        self.set_config(topic, key, None, AlterConfigOpType.DELETE)

    def create_partitions(self, topic, count):
        self.admin.create_partitions([NewPartitions(topic, count)])[topic].result()

    def delete_records(self, topic, partition, before):
        result = self.admin.delete_records([TopicPartition(topic, partition, before)])
        return result[TopicPartition(topic, partition)].result().low_watermark

    def earliest(self, topic, partition):
        at = TopicPartition(topic, partition)
        return self.admin.list_offsets({at: OffsetSpec.earliest()})[at].result().offset

    def groups(self):
        return [group.group_id for group in self.admin.list_consumer_groups().result().valid]

    def describe_group(self, group):
        got = self.admin.describe_consumer_groups([group])[group].result()
        return got.state.name.capitalize(), len(got.members)

    def group_offset(self, group, topic, partition):
        request = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, partition)])
        return self.admin.list_consumer_group_offsets([request])[group].result().topic_partitions[0].offset

    def delete_group(self, group):
        self.admin.delete_consumer_groups([group])[group].result()

    def delete_topic(self, topic):
        self.admin.delete_topics([topic])[topic].result()


scenario.run(Client())
for name, kind in ("rebalance", "consumer_protocol_member"), ("pattern", "pattern_member"):
    group = f"{scenario.PREFIX}-consumer-{name}"
    scenario.check(f"consumer-group-{name}",
                   lambda: scenario.Checks(Client()).rebalance(group, getattr(Client(), kind)))
confluent_kafka_transactions.run(Client(), CONFIG)
confluent_kafka_share.run(Client())
