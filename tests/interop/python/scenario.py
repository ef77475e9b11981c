"""The interop checks, written once for every Python client.

A client module subclasses `Client` with the calls of its library and hands an instance to `run`.
The report on standard output is what the runner reads: `run NAME`, `ok NAME`, `FAIL NAME: reason`.
"""

import os
import time
from collections import Counter, namedtuple

BOOTSTRAP = os.environ.get("BOOTSTRAP", "localhost:9092")
PREFIX = os.environ.get("PREFIX", f"interop-python-{os.getpid()}")
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
COUNT = 100
# Recent, so that time-based retention leaves the records alone.
START_MS = int(time.time() * 1000) - 3_600_000
WAIT_S = 30

Record = namedtuple("Record", "topic partition key value headers timestamp", defaults=[[], None])
Message = namedtuple("Message", "offset timestamp key value headers")


class Client:
    """What the checks ask of a client; a call it does not have fails its check.

    `produce` keeps the order of records even when a batch is retried: the checks know them by their offsets.
    """

    def __getattr__(self, call):
        raise NotImplementedError(f"the client has no {call}")


def check(name, body):
    print("run", name, flush=True)
    try:
        body()
        print("ok", name, flush=True)
    except Exception as error:  # a failed check must not keep the others from running
        reason = f"{type(error).__name__}: {error}".replace("\n", " ")
        print(f"FAIL {name}: {reason}", flush=True)


def equal(what, want, got):
    assert want == got, f"{what}: want {want!r}, got {got!r}"


def eventually(what, state):
    """Calls `state` until it is true: what an admin call changed is seen everywhere a little later."""
    end = time.monotonic() + WAIT_S
    while not state():
        assert time.monotonic() < end, f"not within {WAIT_S} s: {what}"
        time.sleep(0.05)


def sample(topic, partition, i):
    """Record `i` of those every client writes with every codec and expects back byte for byte."""
    key = None if i % 5 == 1 else b"key-%d" % i
    value = None if i % 5 == 3 else (b"value-%d " % i) * (i + 1) + bytes(range(256))
    headers = [("trace", b"first"), ("trace", b"second"), ("binary", b"\x00\xff\x80")]
    return Record(topic, partition, key, value, headers if i % 2 == 0 else [], START_MS + i * 1000)


def verify(message, i):
    want = sample("", 0, i)
    equal("offset", i, message.offset)
    equal(f"timestamp of {i}", want.timestamp, message.timestamp)
    equal(f"key of {i}", want.key, message.key)
    equal(f"value of {i}", want.value, message.value)
    equal(f"headers of {i}", want.headers, [tuple(header) for header in message.headers])


class Checks:
    def __init__(self, client):
        self.client = client
        self.codecs, self.group, self.commit = (f"{PREFIX}-{name}" for name in ("codecs", "group", "commit"))
        self.idempotent, self.admin = f"{PREFIX}-idempotent", f"{PREFIX}-admin"

    def run(self):
        check("create-topic", lambda: self.client.create_topic(self.codecs, len(CODECS), {"retention.ms": "86400000"}))
        for codec in CODECS:
            check(f"produce-{codec}", lambda: self.produce(codec))
        for codec in CODECS:
            check(f"consume-{codec}", lambda: self.consume(codec))
        check("empty-bytes", self.empty_bytes)
        check("null-header", self.null_header)
        check("consume-by-time", self.by_time)
        check("idempotent-producer", self.idempotent_producer)
        check("group-rebalance", lambda: self.rebalance(self.group, self.client.member))
        check("commit-resume", self.commit_and_resume)
        for name in ("describe-cluster", "list-topics", "describe-topic", "describe-configs", "alter-configs",
                     "create-partitions", "delete-records", "list-groups", "describe-group", "group-offsets",
                     "delete-group", "delete-topic"):
            check(f"admin-{name}", getattr(self, "admin_" + name.replace("-", "_")))

    # Records. Each codec has its own partition, so offsets tell whether all of it arrived.

    def produce(self, codec):
        records = [sample(self.codecs, CODECS.index(codec), i) for i in range(COUNT)]
        equal("offsets", list(range(COUNT)), self.client.produce(records, codec=codec))

    def consume(self, codec):
        messages = self.client.read(self.codecs, CODECS.index(codec), 0, COUNT)
        equal("records", COUNT, len(messages))
        for i, message in enumerate(messages):
            verify(message, i)

    def empty_bytes(self):
        """An empty key and an empty value are not null ones."""
        topic = f"{PREFIX}-empty"
        self.client.create_topic(topic, 1, {})
        self.client.produce([Record(topic, 0, b"", b"")])
        got = self.client.read(topic, 0, 0, 1)[0]
        equal("key and value", (b"", b""), (got.key, got.value))

    def null_header(self):
        """A header whose value is null is not one whose value is empty."""
        topic, headers = f"{PREFIX}-null-header", [("null", None), ("empty", b"")]
        self.client.create_topic(topic, 1, {})
        self.client.produce([Record(topic, 0, None, b"value", headers)])
        equal("headers", headers, [tuple(header) for header in self.client.read(topic, 0, 0, 1)[0].headers])

    def by_time(self):
        at = lambda timestamp: self.client.offset_at(self.codecs, 0, timestamp)
        equal("exact time", 50, at(START_MS + 50_000))
        equal("between two records", 51, at(START_MS + 50_001))
        equal("before the first", 0, at(START_MS - 1))
        equal("after the last", None, at(START_MS + COUNT * 1000))
        verify(self.client.read(self.codecs, 0, 50, COUNT - 50)[0], 50)

    def idempotent_producer(self):
        self.client.create_topic(self.idempotent, 1, {})
        records = [Record(self.idempotent, 0, None, b"record-%d" % i) for i in range(50)]
        self.client.produce(records, idempotent=True)
        messages = self.client.read(self.idempotent, 0, 0, 50)
        equal("values", [record.value for record in records], [message.value for message in messages])

    # Groups.

    def rebalance(self, group, member):
        """One member has all four partitions, two have two each, and the one that stays has all again."""
        self.client.create_topic(group, 4, {})
        seen, members = Counter(), [member(group, group)]
        self.fill_group(group, 0)
        self.consume_until(seen, members, 40, [4])
        members.append(member(group, group))
        self.consume_until(seen, members, 40, [2, 2])
        self.fill_group(group, 40)
        self.consume_until(seen, members, 80, [2, 2])
        members.pop().close()
        self.consume_until(seen, members, 80, [4])
        self.fill_group(group, 80)
        self.consume_until(seen, members, 120, [4])
        members.pop().close()
        equal("times a record was read", {1}, set(seen.values()))

    def fill_group(self, group, start):
        self.client.produce([Record(group, i % 4, None, b"%d" % i) for i in range(start, start + 40)])

    def consume_until(self, seen, members, count, shares):
        def settled():
            for member in members:
                messages = member.poll()
                seen.update(message.value for message in messages)
                if messages:
                    member.commit()
            return len(seen) == count and [len(member.assignment()) for member in members] == shares
        eventually(f"{count} records by members with {shares} partitions", settled)

    def commit_and_resume(self):
        self.client.create_topic(self.commit, 1, {})
        self.client.produce([Record(self.commit, 0, None, b"%d" % i) for i in range(20)])
        equal("first half", list(range(10)), self.consume_ten())
        equal("second half", list(range(10, 20)), self.consume_ten())

    def consume_ten(self):
        """Joins, reads ten records, commits and leaves; answers the offsets read."""
        member, offsets = self.client.member(self.commit, self.commit, max_records=1), []
        try:
            eventually("ten records", lambda: offsets.extend(m.offset for m in member.poll()) or len(offsets) == 10)
            member.commit()
        finally:
            member.close()
        return offsets

    # Admin calls.

    def admin_describe_cluster(self):
        cluster_id, controller, nodes = self.client.cluster()
        assert cluster_id, "no cluster id"
        assert controller in nodes, f"controller {controller} is none of {nodes}"

    def admin_list_topics(self):
        assert self.codecs in self.client.topics(), "not listed"

    def admin_describe_topic(self):
        partitions = self.client.describe_topic(self.codecs)
        equal("partitions", list(range(5)), sorted(partitions))
        for leader, replicas, in_sync in partitions.values():
            equal("replicas", [leader], list(replicas))
            equal("in-sync replicas", [leader], list(in_sync))

    def admin_describe_configs(self):
        configs = self.client.configs(self.codecs)
        equal("set value", ("86400000", False), configs["retention.ms"])
        equal("default value", ("producer", True), configs["compression.type"])

    def admin_alter_configs(self):
        self.client.create_topic(self.admin, 1, {})
        before = self.client.configs(self.admin)["retention.ms"]
        self.client.set_config(self.admin, "retention.ms", "7200000")
        eventually("the new value", lambda: self.client.configs(self.admin)["retention.ms"][0] == "7200000")
        self.client.reset_config(self.admin, "retention.ms")
        eventually("the default again", lambda: self.client.configs(self.admin)["retention.ms"] == before)

    def admin_create_partitions(self):
        self.client.create_partitions(self.admin, 3)
        eventually("three partitions", lambda: len(self.client.describe_topic(self.admin)) == 3)

    def admin_delete_records(self):
        self.client.produce([Record(self.admin, 0, None, b"%d" % i) for i in range(10)])
        equal("low watermark", 4, self.client.delete_records(self.admin, 0, 4))
        equal("first offset read", 4, self.client.read(self.admin, 0, 4, 6)[0].offset)
        equal("earliest offset", 4, self.client.earliest(self.admin, 0))

    def admin_list_groups(self):
        assert self.commit in self.client.groups(), "not listed"

    def admin_describe_group(self):
        equal("state and members", ("Empty", 0), self.client.describe_group(self.commit))

    def admin_group_offsets(self):
        equal("committed offset", 20, self.client.group_offset(self.commit, self.commit, 0))

    def admin_delete_group(self):
        self.client.delete_group(self.commit)
        assert self.commit not in self.client.groups(), "still listed"

    def admin_delete_topic(self):
        self.client.delete_topic(self.admin)
        eventually("the topic is gone", lambda: self.admin not in self.client.topics())


def run(client):
    Checks(client).run()
