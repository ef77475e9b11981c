// Producing with every codec, consuming from the beginning and by time, the idempotent producer.
import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.*;
import java.util.stream.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;

final class Records {
    static final String TOPIC = Clients.name("codecs");
    static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");

    static void run() {
        Check.check("create-topic", () -> Clients.createTopic(TOPIC, CODECS.size(), Map.of("retention.ms", "86400000")));
        for (String codec : CODECS) Check.check("produce-" + codec, () -> produce(codec));
        for (String codec : CODECS) Check.check("consume-" + codec, () -> consume(codec));
        Check.check("empty-bytes", Records::emptyBytes);
        Check.check("null-header", Records::nullHeader);
        Check.check("consume-by-time", Records::byTime);
        Check.check("idempotent-producer", Records::idempotent);
    }

    /** Each codec has its own partition, so offsets tell whether all of it arrived. */
    private static void produce(String codec) throws Exception {
        int partition = CODECS.indexOf(codec);
        List<Long> offsets = Clients.send(
                Map.of("compression.type", codec), Sample.COUNT, i -> Sample.record(TOPIC, partition, i));
        Check.equal("offsets", LongStream.range(0, Sample.COUNT).boxed().collect(Collectors.toList()), offsets);
    }

    private static void consume(String codec) throws Exception {
        TopicPartition partition = new TopicPartition(TOPIC, CODECS.indexOf(codec));
        List<ConsumerRecord<byte[], byte[]>> records = Clients.read(partition, 0, Sample.COUNT);
        Check.equal("records", Sample.COUNT, records.size());
        for (int i = 0; i < Sample.COUNT; i++) Sample.verify(records.get(i), i);
    }

    /** An empty key and an empty value are not null ones. */
    private static void emptyBytes() throws Exception {
        String topic = Clients.name("empty");
        Clients.createTopic(topic, 1, Map.of());
        Clients.send(Map.of(), 1, i -> new ProducerRecord<>(topic, 0, new byte[0], new byte[0]));
        ConsumerRecord<byte[], byte[]> record = Clients.read(new TopicPartition(topic, 0), 0, 1).get(0);
        Check.equal("key", new byte[0], record.key());
        Check.equal("value", new byte[0], record.value());
    }

    /** A header whose value is null is not one whose value is empty. */
    private static void nullHeader() throws Exception {
        String topic = Clients.name("null-header");
        Clients.createTopic(topic, 1, Map.of());
        Headers headers = new RecordHeaders().add("null", null).add("empty", new byte[0]);
        Clients.send(Map.of(), 1, i -> new ProducerRecord<>(topic, 0, null, null, new byte[] {1}, headers));
        Check.equal("headers", headers, Clients.read(new TopicPartition(topic, 0), 0, 1).get(0).headers());
    }

    private static void byTime() throws Exception {
        TopicPartition partition = new TopicPartition(TOPIC, 0);
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(Map.of())) {
            Check.equal("exact time", 50L, offsetAt(consumer, partition, Sample.timestamp(50)));
            Check.equal("between two records", 51L, offsetAt(consumer, partition, Sample.timestamp(50) + 1));
            Check.equal("before the first", 0L, offsetAt(consumer, partition, Sample.START_MS - 1));
            Check.equal("after the last", null, offsetAt(consumer, partition, Sample.timestamp(Sample.COUNT)));
        }
        Sample.verify(Clients.read(partition, 50, Sample.COUNT - 50).get(0), 50);
    }

    private static Long offsetAt(KafkaConsumer<?, ?> consumer, TopicPartition partition, long timestamp) {
        OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(partition, timestamp)).get(partition);
        return found == null ? null : found.offset();
    }

    private static void idempotent() throws Exception {
        String topic = Clients.name("idempotent");
        Clients.createTopic(topic, 1, Map.of());
        Map<String, Object> config = Map.of("enable.idempotence", true, "acks", "all", "batch.size", 64);
        Clients.send(config, 50, i -> new ProducerRecord<>(topic, 0, null, ("record-" + i).getBytes(UTF_8)));
        List<ConsumerRecord<byte[], byte[]>> records = Clients.read(new TopicPartition(topic, 0), 0, 50);
        Check.equal("records", 50, records.size());
        for (int i = 0; i < 50; i++) Check.equal("value", "record-" + i, new String(records.get(i).value(), UTF_8));
    }

    private Records() {}
}
