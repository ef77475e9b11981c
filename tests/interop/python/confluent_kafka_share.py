"""Share groups (KIP-932) with librdkafka, which calls its share consumers a preview.

Run with a group and a topic this file is a member of its own process: it takes what it gets, says how
much that is, and keeps it until it is killed.
"""

import subprocess
import sys
import time

from confluent_kafka import AcknowledgeType, KafkaException, Producer, ShareConsumer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

import scenario

CONFIG = {"bootstrap.servers": scenario.BOOTSTRAP}
PARTITIONS = 3


def member(group, mode="explicit", **extra):
    made = ShareConsumer({**CONFIG, "group.id": group, "share.acknowledgement.mode": mode, **extra})
    made.subscribe([group])
    return made


def prepare(client, name, count, partitions=PARTITIONS):
    """A topic with numbers, and the group of the same name, which begins with the first of them."""
    group = f"{scenario.PREFIX}-{name}"
    client.create_topic(group, partitions, {})
    change = ConfigEntry("share.auto.offset.reset", "earliest", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.GROUP, group, incremental_configs=[change])
    client.admin.incremental_alter_configs([resource])[resource].result()
    produce(group, 0, count, partitions)
    return group


def produce(topic, first, count, partitions=PARTITIONS):
    producer = Producer(CONFIG)
    for number in range(first, first + count):
        producer.produce(topic, b"%d" % number, partition=number % partitions)
    scenario.equal("unsent", 0, producer.flush(scenario.WAIT_S))


def poll(consumer, wait=0.2):
    got = consumer.poll(wait)
    for one in got:
        if one.error():
            raise KafkaException(one.error())
    return got


def commit(consumer):
    for partition, error in consumer.commit_sync(scenario.WAIT_S).items():
        assert error is None, f"{partition}: {error}"


def take(consumer, count, how=None):
    """Polls until so many records have come and says of each what `how` tells; they are by number."""
    taken = []

    def done():
        got = poll(consumer)
        for one in got:
            taken.append((int(one.value()), one.delivery_count()))
            if how:
                consumer.acknowledge(one, how(int(one.value())))
        if got:
            commit(consumer)
        return len(taken) >= count

    scenario.eventually(f"{count} records", done)
    return sorted(taken)


def accept(_number):
    return AcknowledgeType.ACCEPT


def once(numbers):
    return [(number, 1) for number in numbers]


def implicit(client):
    """What is polled counts as accepted with the next poll, also for who comes later."""
    group = prepare(client, "share-implicit", 60)
    with member(group, "implicit") as first:
        scenario.equal("records", once(range(60)), take(first, 60))
    produce(group, 60, 9)
    with member(group, "implicit") as later:
        scenario.equal("new records", once(range(60, 69)), take(later, 9))


def explicit(client):
    """What is accepted or rejected is gone, what is released comes again."""
    group = prepare(client, "share-explicit", 30)
    kinds = [AcknowledgeType.ACCEPT, AcknowledgeType.RELEASE, AcknowledgeType.REJECT]
    with member(group) as only:
        scenario.equal("first", once(range(30)), take(only, 30, lambda number: kinds[number % 3]))
        again = [(number, 2) for number in range(1, 30, 3)]
        scenario.equal("second", again, take(only, 10, lambda number: AcknowledgeType.RELEASE))
        third = [(number, 3) for number in range(1, 30, 3)]
        scenario.equal("third", third, take(only, 10, accept))
        produce(group, 100, 6)
        scenario.equal("only the new ones", once(range(100, 106)), take(only, 6, accept))


def two_members(client):
    """Two members at one partition: each record goes to one of them."""
    group = prepare(client, "share-two-members", 0, partitions=1)
    with member(group, **{"max.poll.records": 10}) as one, member(group, **{"max.poll.records": 10}) as other:
        taken = {one: [], other: []}
        sent = 0

        def both_have_some():
            nonlocal sent
            if sent < 600:
                produce(group, sent, 20, partitions=1)
                sent += 20
            for consumer, numbers in taken.items():
                got = poll(consumer)
                for record in got:
                    numbers.append(int(record.value()))
                    consumer.acknowledge(record)
                if got:
                    commit(consumer)
            return all(taken.values()) and sum(map(len, taken.values())) >= sent

        scenario.eventually("both members have records", both_have_some)
        scenario.equal("records", list(range(sent)), sorted(taken[one] + taken[other]))


def killed(client):
    """What a member held when it was killed comes to another, and nothing of it is lost."""
    group = prepare(client, "share-killed", 40, partitions=1)
    command = [sys.executable, "-B", __file__, group, "40"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            scenario.equal("held by the first", "40", process.stdout.readline().strip())
        finally:
            process.kill()
    with member(group) as heir:
        scenario.equal("records", [(number, 2) for number in range(40)], take(heir, 40, accept))
        produce(group, 40, 5, partitions=1)
        scenario.equal("new records", once(range(40, 45)), take(heir, 5, accept))


def run(client):
    scenario.check("share-implicit", lambda: implicit(client))
    scenario.check("share-explicit", lambda: explicit(client))
    scenario.check("share-two-members", lambda: two_members(client))
    scenario.check("share-member-killed", lambda: killed(client))


def hold(group, count):
    """Takes so many records, one poll after the other, and waits to be killed."""
    consumer, held = member(group), 0
    while held < count:
        held += len(poll(consumer, 1))
    print(held, flush=True)
    time.sleep(600)


if __name__ == "__main__":
    hold(sys.argv[1], int(sys.argv[2]))
