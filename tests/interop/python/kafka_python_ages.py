"""An old kafka-python that is told to send what it sent to brokers of long ago."""

import os
import time

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition

BOOTSTRAP = os.environ.get("BOOTSTRAP", "localhost:9092")
PREFIX = os.environ.get("PREFIX", f"interop-python-{os.getpid()}")
AGES = [(0, 8, 2), (0, 9), (0, 10, 0), (0, 10, 1), (0, 10, 2), (0, 11)]
CODECS = [None, "gzip", "snappy", "lz4"]
BATCH = 10
WAIT_S = 20
AT = TopicPartition(f"{PREFIX}-mixed", 0)
# Recent, so that time-based retention leaves the records alone.
START_MS = int(time.time() * 1000) - 3_600_000


def check(what, age, body):
    name = f"{what}-{'.'.join(map(str, age))}"
    print("run", name, flush=True)
    try:
        body(age)
        print("ok", name, flush=True)
    except Exception as error:  # a failed check must not keep the others from running
        print(f"FAIL {name}: {type(error).__name__}: {error}".replace("\n", " "), flush=True)


def equal(what, want, got):
    assert want == got, f"{what}: want {want!r}, got {got!r}"


def value(n):
    return None if n % 5 == 3 else b"value-%d " % n * (n % 7 + 1)


def produce(age):
    """A batch with each codec, all into one partition."""
    for codec in CODECS:
        producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, api_version=age, compression_type=codec,
                                 linger_ms=50, acks="all", max_in_flight_requests_per_connection=1)
        first = (AGES.index(age) * len(CODECS) + CODECS.index(codec)) * BATCH
        sent = [producer.send(AT.topic, key=b"%d" % n, value=value(n), partition=0, timestamp_ms=START_MS + n)
                for n in range(first, first + BATCH)]
        equal("offsets", list(range(first, first + BATCH)), [one.get(WAIT_S).offset for one in sent])
        producer.close()


def consumer(age):
    reader = KafkaConsumer(bootstrap_servers=BOOTSTRAP, api_version=age, group_id=PREFIX, enable_auto_commit=False,
                           auto_offset_reset="earliest")
    reader.assign([AT])
    return reader


def consume(age):
    """From the middle of a compressed batch to the end."""
    reader, got, end = consumer(age), [], time.monotonic() + WAIT_S
    reader.seek(AT, BATCH + 3)
    want = list(range(BATCH + 3, len(AGES) * len(CODECS) * BATCH))
    while len(got) < len(want) and time.monotonic() < end:
        got += [one for batch in reader.poll(200).values() for one in batch]
    reader.close()
    equal("offsets", want, [one.offset for one in got])
    for one in got:
        writer = AGES[one.offset // (len(CODECS) * BATCH)]
        known = min(age, writer) >= (0, 10)
        time_ms = START_MS + one.offset if known else -1 if age >= (0, 10) else None
        equal(f"record {one.offset}", (b"%d" % one.offset, value(one.offset), time_ms),
              (one.key, one.value, one.timestamp))


def resume(age):
    """Each finds what the one before it committed."""
    reader, before = consumer(age), AGES.index(age)
    equal("committed before", before or None, reader.committed(AT))
    reader.commit({AT: OffsetAndMetadata(before + 1, "text")})
    equal("committed", before + 1, reader.committed(AT))
    reader.close()


for age in AGES:
    check("produce", age, produce)
for age in AGES:
    check("consume", age, consume)
    check("resume", age, resume)
