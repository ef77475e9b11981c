// Transactions: what is committed is read whole, what is aborted is not, and a copy is made exactly once.
import java.time.Duration;
import java.util.*;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.*;

final class Transactions {
    static final Map<String, Object> COMMITTED = Map.of("isolation.level", "read_committed");

    static void run() {
        Check.check("txn-commit", Transactions::commit);
        Check.check("txn-abort", Transactions::abort);
        Check.check("txn-fence", Transactions::fence);
        Check.check("txn-copy", Transactions::copy);
    }

    /** The same as one check. */
    static void all() throws Exception {
        commit();
        abort();
        fence();
        copy();
    }

    static KafkaProducer<byte[], byte[]> producer(String id) {
        KafkaProducer<byte[], byte[]> producer = Clients.producer(Map.of("transactional.id", id));
        producer.initTransactions();
        return producer;
    }

    private static ProducerRecord<byte[], byte[]> record(String topic, int i) {
        return new ProducerRecord<>(topic, i % 2, null, String.valueOf(i).getBytes());
    }

    /** Until its end nobody who reads what is committed sees any of a transaction. */
    private static void commit() throws Exception {
        String topic = Clients.name("txn-commit");
        Clients.createTopic(topic, 2, Map.of());
        try (KafkaProducer<byte[], byte[]> producer = producer(topic)) {
            producer.beginTransaction();
            for (int i = 0; i < 20; i++) producer.send(record(topic, i));
            producer.flush();
            Check.equal("open", 0L, end(topic, 0, COMMITTED));
            Check.equal("open, uncommitted", 10L, end(topic, 0, Map.of()));
            producer.commitTransaction();
            Check.eventually("committed", () -> end(topic, 0, COMMITTED) == 11);
            Check.equal("records", numbers(0, 20), read(topic, 20, COMMITTED));
        }
    }

    /** What is aborted is passed over between what is not. */
    private static void abort() throws Exception {
        String topic = Clients.name("txn-abort");
        Clients.createTopic(topic, 2, Map.of());
        try (KafkaProducer<byte[], byte[]> producer = producer(topic)) {
            for (int round = 0; round < 6; round++) {
                producer.beginTransaction();
                for (int i = 0; i < 10; i++) producer.send(record(topic, 10 * round + i));
                producer.flush();
                if (round % 2 == 0) producer.abortTransaction();
                else producer.commitTransaction();
            }
        }
        List<Integer> want = new ArrayList<>(numbers(10, 20));
        want.addAll(numbers(30, 40));
        want.addAll(numbers(50, 60));
        Check.equal("committed", want, read(topic, 30, COMMITTED));
        Check.equal("all", numbers(0, 60), read(topic, 60, Map.of()));
    }

    /** A producer that begins with the same id takes the place of the other and ends what it had open. */
    private static void fence() throws Exception {
        String topic = Clients.name("txn-fence");
        Clients.createTopic(topic, 2, Map.of());
        try (KafkaProducer<byte[], byte[]> first = producer(topic)) {
            first.beginTransaction();
            first.send(record(topic, 1));
            first.flush();
            try (KafkaProducer<byte[], byte[]> second = producer(topic)) {
                second.beginTransaction();
                second.send(record(topic, 2));
                second.commitTransaction();
            }
            try {
                first.send(record(topic, 3));
                first.commitTransaction();
                throw new AssertionError("the first producer is not fenced");
            } catch (ProducerFencedException | InvalidProducerEpochException e) {
                Check.equal("committed", List.of(2), read(topic, 1, COMMITTED));
            }
        }
    }

    /** Reads, writes and commits in transactions, some of which are aborted and done again. */
    private static void copy() throws Exception {
        String from = Clients.name("txn-from"), to = Clients.name("txn-to");
        Clients.createTopic(from, 2, Map.of());
        Clients.createTopic(to, 2, Map.of());
        Clients.send(Map.of(), 200, i -> record(from, i));
        Map<String, Object> config = new HashMap<>(COMMITTED);
        config.put("group.id", from);
        config.put("max.poll.records", 15);
        int round = 0;
        int copied = 0;
        while (copied < 200) {
            round++;
            try (KafkaProducer<byte[], byte[]> producer = producer(to); KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(config)) {
                consumer.subscribe(List.of(from));
                boolean aborted = false;
                while (copied < 200 && !aborted) {
                    List<ConsumerRecord<byte[], byte[]>> records = Clients.poll(consumer, 1);
                    producer.beginTransaction();
                    for (var record : records) producer.send(new ProducerRecord<>(to, record.partition(), null, record.value()));
                    producer.sendOffsetsToTransaction(next(records), consumer.groupMetadata());
                    aborted = round < 4 && copied >= 40 * round;
                    if (aborted) producer.abortTransaction();
                    else producer.commitTransaction();
                    if (!aborted) copied += records.size();
                }
            }
        }
        Check.equal("copies", numbers(0, 200), read(to, 200, COMMITTED));
    }

    private static Map<TopicPartition, OffsetAndMetadata> next(List<ConsumerRecord<byte[], byte[]>> records) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (var record : records) {
            offsets.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
        }
        return offsets;
    }

    static long end(String topic, int partition, Map<String, Object> config) {
        TopicPartition tp = new TopicPartition(topic, partition);
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(config)) {
            return consumer.endOffsets(List.of(tp)).get(tp);
        }
    }

    /** Everything in both partitions, in the order of the numbers; more than `count` would be seen. */
    static List<Integer> read(String topic, int count, Map<String, Object> config) throws Exception {
        List<TopicPartition> partitions = List.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1));
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(config)) {
            consumer.assign(partitions);
            List<ConsumerRecord<byte[], byte[]>> records = Clients.poll(consumer, count);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            Check.eventually("the end", () -> {
                consumer.poll(Duration.ofMillis(50)).forEach(records::add);
                return partitions.stream().allMatch(tp -> consumer.position(tp) >= ends.get(tp));
            });
            return records.stream().map(r -> Integer.valueOf(new String(r.value()))).sorted().collect(Collectors.toList());
        }
    }

    static List<Integer> numbers(int from, int to) {
        List<Integer> numbers = new ArrayList<>();
        for (int i = from; i < to; i++) numbers.add(i);
        return numbers;
    }

    private Transactions() {}
}
