"""kafka-python: the client written in Python itself."""

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec

import scenario


def message(got):
    return scenario.Message(got.offset, got.timestamp, got.key, got.value, got.headers)


def consumer(**extra):
    return KafkaConsumer(bootstrap_servers=scenario.BOOTSTRAP, enable_auto_commit=False,
                         auto_offset_reset="earliest", **extra)


class Member:
    def __init__(self, group, topic, max_records):
        self.consumer = consumer(group_id=group, max_poll_records=max_records, heartbeat_interval_ms=500)
        self.consumer.subscribe([topic])

    def poll(self):
        return [message(one) for batch in self.consumer.poll(100).values() for one in batch]

    def assignment(self):
        return self.consumer.assignment()

    def commit(self):
        self.consumer.commit()

    def close(self):
        self.consumer.close()


class Client(scenario.Client):
    admin = KafkaAdminClient(bootstrap_servers=scenario.BOOTSTRAP)

    def create_topic(self, topic, partitions, configs):
        self.admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1, "configs": configs}})

    def produce(self, records, codec="none", idempotent=False):
        producer = KafkaProducer(bootstrap_servers=scenario.BOOTSTRAP, linger_ms=20, acks="all",
                                 compression_type=None if codec == "none" else codec, enable_idempotence=idempotent,
                                 max_in_flight_requests_per_connection=1)
        sent = [producer.send(r.topic, r.value, r.key, r.headers, r.partition, r.timestamp) for r in records]
        offsets = [one.get(scenario.WAIT_S).offset for one in sent]
        producer.close()
        return offsets

    def read(self, topic, partition, offset, count):
        reader, messages, at = consumer(), [], TopicPartition(topic, partition)
        reader.assign([at])
        reader.seek(at, offset)
        scenario.eventually(f"{count} records", lambda: messages.extend(
            message(one) for one in reader.poll(200).get(at, [])) or len(messages) >= count)
        reader.close()
        return messages

    def offset_at(self, topic, partition, timestamp):
        reader, at = consumer(), TopicPartition(topic, partition)
        found = reader.offsets_for_times({at: timestamp})[at]
        reader.close()
        return found and found.offset

    def member(self, group, topic, max_records=100):
        return Member(group, topic, max_records)

    def cluster(self):
        cluster = self.admin.describe_cluster()
        nodes = [broker.get("broker_id", broker.get("node_id")) for broker in cluster["brokers"]]
        return cluster["cluster_id"], cluster["controller_id"], nodes

    def topics(self):
        return self.admin.list_topics()

    def describe_topic(self, topic):
        partitions = self.admin.describe_topics([topic])[0]["partitions"]
        return {p["partition_index"]: (p["leader_id"], p["replica_nodes"], p["isr_nodes"]) for p in partitions}

    def configs(self, topic):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        entries = self.admin.describe_configs([resource], config_filter="all")["topic"][topic]
        return {key: (e["value"], e["config_source"] == "DEFAULT_CONFIG") for key, e in entries.items()}

    def set_config(self, topic, key, value):
        self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {key: value})])

    def reset_config(self, topic, key):
        self.admin.reset_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {key: None})])

    def create_partitions(self, topic, count):
        self.admin.create_partitions({topic: count})

    def delete_records(self, topic, partition, before):
        at = TopicPartition(topic, partition)
        return self.admin.delete_records({at: before})[at]["low_watermark"]

    def earliest(self, topic, partition):
        at = TopicPartition(topic, partition)
        return self.admin.list_partition_offsets({at: OffsetSpec.EARLIEST})[at].offset

    def groups(self):
        return [group["group_id"] for group in self.admin.list_groups()]

    def describe_group(self, group):
        got = self.admin.describe_groups([group])[group]
        return got["group_state"], len(got["members"])

    def group_offset(self, group, topic, partition):
        return self.admin.list_group_offsets({group: None})[group][TopicPartition(topic, partition)].offset

    def delete_group(self, group):
        self.admin.delete_groups([group])

    def delete_topic(self, topic):
        self.admin.delete_topics([topic])


scenario.run(Client())
