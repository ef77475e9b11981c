"""Transactions with librdkafka: an exactly-once copy, some of whose transactions are aborted."""

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

import scenario

COUNT = 200


def producer(config, name):
    made = Producer({**config, "transactional.id": name, "transaction.timeout.ms": 30000})
    made.init_transactions(scenario.WAIT_S)
    return made


def consumer(config, group):
    return Consumer({**config, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest",
                     "isolation.level": "read_committed"})


def poll(reader, most):
    got = reader.consume(most, 0.5)
    for one in got:
        if one.error():
            raise KafkaException(one.error())
    return got


def copy(client, config):
    source, target = scenario.PREFIX + "-txn-from", scenario.PREFIX + "-txn-to"
    for topic in source, target:
        client.create_topic(topic, 2, {})
    client.produce([scenario.Record(source, i % 2, None, b"%d" % i) for i in range(COUNT)])
    for turn in range(4):
        reader, writer = consumer(config, source), producer(config, target)
        reader.subscribe([source])
        one_turn(reader, writer, target, abort_after=None if turn == 3 else turn + 1)
        reader.close()
    scenario.equal("copies", list(range(COUNT)), read(config, target))


def one_turn(reader, writer, target, abort_after):
    """Copies until everything is copied, or aborts one transaction and stops there."""
    idle, done = 0, 0
    while idle < 10:
        got = poll(reader, 15)
        idle = 0 if got else idle + 1
        if not got:
            continue
        writer.begin_transaction()
        for one in got:
            writer.produce(target, one.value(), partition=one.partition())
        offsets = [TopicPartition(one.topic(), one.partition(), one.offset() + 1) for one in got]
        newest = {(at.topic, at.partition): at for at in offsets}
        writer.send_offsets_to_transaction(list(newest.values()), reader.consumer_group_metadata(), scenario.WAIT_S)
        if done == abort_after:
            writer.abort_transaction(scenario.WAIT_S)
            return
        writer.commit_transaction(scenario.WAIT_S)
        done += 1


def read(config, topic):
    reader, found = consumer(config, "unused"), []
    reader.assign([TopicPartition(topic, at, 0) for at in (0, 1)])
    scenario.eventually(f"{COUNT} copies", lambda: found.extend(poll(reader, COUNT)) or len(found) >= COUNT)
    found.extend(poll(reader, COUNT))
    reader.close()
    return sorted(int(one.value()) for one in found)


def run(client, config):
    scenario.check("txn-copy", lambda: copy(client, config))
