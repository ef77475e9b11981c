// An exactly-once copy of a topic, by one member of a group after the other, while the broker is killed.
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;

public final class Kills {
    private static final int RECORDS = 3000;
    /** Long enough for the broker to be killed several times. */
    private static final long LEAST_MS = 15_000;
    private static final long MOST_MS = 90_000;

    public static void main(String[] args) {
        Check.check("exactly-once-under-kills", Kills::copy);
        Check.check("share-under-kills", ShareGroups::underKills);
        Clients.ADMIN.close();
    }

    private static void copy() throws Exception {
        String from = Clients.name("kills-from"), to = Clients.name("kills-to");
        Clients.createTopic(from, 2, Map.of());
        Clients.createTopic(to, 2, Map.of());
        Clients.send(Map.of("delivery.timeout.ms", 60_000), RECORDS,
                i -> new ProducerRecord<>(from, i % 2, null, String.valueOf(i).getBytes()));
        long begin = System.currentTimeMillis();
        long pause = LEAST_MS / (RECORDS / 50);
        while (lag(from) > 0) {
            Check.that("not copied within " + MOST_MS + " ms", System.currentTimeMillis() < begin + MOST_MS);
            try {
                copyUntilAnError(from, to, pause);
            } catch (KafkaException e) {
                // What was open is aborted when the next one begins.
                System.out.println("again after " + e);
            }
        }
        Check.equal("copies", Transactions.numbers(0, RECORDS), Transactions.read(to, RECORDS, Transactions.COMMITTED));
    }

    private static void copyUntilAnError(String from, String to, long pause) throws Exception {
        Map<String, Object> config = new HashMap<>(Transactions.COMMITTED);
        config.putAll(Map.of("group.id", from, "max.poll.records", 50, "session.timeout.ms", 6000));
        Map<String, Object> transactional = Map.of("transactional.id", to, "transaction.timeout.ms", 10_000, "max.block.ms", 20_000);
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(transactional);
                KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(config)) {
            producer.initTransactions();
            consumer.subscribe(List.of(from));
            int idle = 0;
            while (idle < 20) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(500));
                idle = records.isEmpty() ? idle + 1 : 0;
                if (records.isEmpty()) continue;
                Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
                producer.beginTransaction();
                for (ConsumerRecord<byte[], byte[]> record : records) {
                    producer.send(new ProducerRecord<>(to, record.partition(), null, record.value()));
                    next.put(new TopicPartition(from, record.partition()), new OffsetAndMetadata(record.offset() + 1));
                }
                producer.sendOffsetsToTransaction(next, consumer.groupMetadata());
                producer.commitTransaction();
                Thread.sleep(pause);
                if (lag(from) == 0) return;
            }
        }
    }

    /** How many records are not copied; many if that cannot be told now. */
    private static long lag(String group) {
        try {
            var committed = Clients.ADMIN.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
            long copied = 0;
            for (var offset : committed.values()) copied += offset == null ? 0 : offset.offset();
            return RECORDS - copied;
        } catch (Exception e) {
            return RECORDS;
        }
    }

    private Kills() {}
}
