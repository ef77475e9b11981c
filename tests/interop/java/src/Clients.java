// Producers, consumers and admin clients as the checks use them.
import java.time.Duration;
import java.util.*;
import java.util.function.IntFunction;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

final class Clients {
    static final String BOOTSTRAP = System.getenv().getOrDefault("BOOTSTRAP", "localhost:9092");
    static final String PREFIX = System.getenv().getOrDefault("PREFIX", "interop-java-" + ProcessHandle.current().pid());
    static final Admin ADMIN = Admin.create(Map.of("bootstrap.servers", BOOTSTRAP));

    static String name(String suffix) {
        return PREFIX + "-" + suffix;
    }

    static void createTopic(String topic, int partitions, Map<String, String> configs) throws Exception {
        ADMIN.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(configs))).all().get();
    }

    static KafkaProducer<byte[], byte[]> producer(Map<String, Object> extra) {
        Map<String, Object> config = new HashMap<>(extra);
        config.put("bootstrap.servers", BOOTSTRAP);
        config.put("linger.ms", 20);
        // A retried batch must not be overtaken by the next one: the checks know records by their offsets.
        config.put("max.in.flight.requests.per.connection", 1);
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> extra) {
        Map<String, Object> config = new HashMap<>(extra);
        config.put("bootstrap.servers", BOOTSTRAP);
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", false);
        config.put("heartbeat.interval.ms", 500);
        return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** Sends `count` records made by `make` and returns the offsets they were acknowledged with. */
    static List<Long> send(Map<String, Object> config, int count, IntFunction<ProducerRecord<byte[], byte[]>> make)
            throws Exception {
        List<java.util.concurrent.Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = producer(config)) {
            for (int i = 0; i < count; i++) sent.add(producer.send(make.apply(i)));
        }
        List<Long> offsets = new ArrayList<>();
        for (var one : sent) offsets.add(one.get().offset());
        return offsets;
    }

    /** Polls until `count` records have come. */
    static List<ConsumerRecord<byte[], byte[]>> poll(KafkaConsumer<byte[], byte[]> consumer, int count) throws Exception {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        Check.eventually(count + " records", () -> {
            consumer.poll(Duration.ofMillis(200)).forEach(records::add);
            return records.size() >= count;
        });
        return records;
    }

    /** Reads one partition from `offset`. */
    static List<ConsumerRecord<byte[], byte[]>> read(TopicPartition partition, long offset, int count) throws Exception {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of())) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, offset);
            return poll(consumer, count);
        }
    }

    private Clients() {}
}
