// A group of two members with a rebalance, and a group that commits, leaves and resumes.
import java.time.Duration;
import java.util.*;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;

final class Groups {
    static final String COMMIT_GROUP = Clients.name("commit");
    static final int COMMITTED = 20;

    static void run() {
        Check.check("group-rebalance", Groups::rebalance);
        Check.check("commit-resume", Groups::commitAndResume);
    }

    /** One member has all four partitions, two have two each, and the one that stays has all again. */
    private static void rebalance() throws Exception {
        String topic = Clients.name("group");
        Clients.createTopic(topic, 4, Map.of());
        Map<String, Integer> seen = new TreeMap<>();
        try (KafkaConsumer<byte[], byte[]> first = member(topic)) {
            produce(topic, 0);
            consumeUntil(seen, 40, () -> first.assignment().size() == 4, first);
            try (KafkaConsumer<byte[], byte[]> second = member(topic)) {
                consumeUntil(seen, 40, () -> first.assignment().size() == 2 && second.assignment().size() == 2, first, second);
                describe(topic);
                produce(topic, 40);
                consumeUntil(seen, 80, () -> true, first, second);
            }
            consumeUntil(seen, 80, () -> first.assignment().size() == 4, first);
            produce(topic, 80);
            consumeUntil(seen, 120, () -> true, first);
        }
        Check.equal("each record once", Set.of(1), Set.copyOf(seen.values()));
    }

    private static KafkaConsumer<byte[], byte[]> member(String topic) {
        KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(Map.of("group.id", topic));
        consumer.subscribe(List.of(topic));
        return consumer;
    }

    private static void produce(String topic, int from) throws Exception {
        Clients.send(Map.of(), 40, i -> new ProducerRecord<>(topic, i % 4, null, String.valueOf(from + i).getBytes()));
    }

    @SafeVarargs
    private static void consumeUntil(
            Map<String, Integer> seen, int count, java.util.function.BooleanSupplier settled, KafkaConsumer<byte[], byte[]>... members)
            throws Exception {
        Check.eventually(count + " records and a settled group", () -> {
            for (KafkaConsumer<byte[], byte[]> member : members) {
                for (ConsumerRecord<byte[], byte[]> record : member.poll(Duration.ofMillis(50))) {
                    seen.merge(new String(record.value()), 1, Integer::sum);
                }
                commit(member);
            }
            return seen.size() == count && settled.getAsBoolean();
        });
    }

    /** A commit that meets a rebalance is repeated by the next turn. */
    private static void commit(KafkaConsumer<?, ?> member) {
        try {
            member.commitSync();
        } catch (RebalanceInProgressException | CommitFailedException e) {
            return;
        }
    }

    private static void describe(String group) throws Exception {
        ConsumerGroupDescription got = Clients.ADMIN.describeConsumerGroups(List.of(group)).all().get().get(group);
        Check.equal("state", "Stable", Compat.groupState(got));
        Set<TopicPartition> assigned = got.members().stream()
                .flatMap(m -> m.assignment().topicPartitions().stream())
                .collect(Collectors.toSet());
        Check.equal("members", 2, got.members().size());
        Check.equal("assigned partitions", 4, assigned.size());
    }

    private static void commitAndResume() throws Exception {
        String topic = Clients.name("commit");
        Clients.createTopic(topic, 1, Map.of());
        Clients.send(Map.of(), COMMITTED, i -> new ProducerRecord<>(topic, 0, null, String.valueOf(i).getBytes()));
        Check.equal("first half", List.of(0L, 9L), consumeTen(topic));
        Check.equal("second half", List.of(10L, 19L), consumeTen(topic));
    }

    /** Joins, reads ten records, commits and leaves; answers the first and last offset read. */
    private static List<Long> consumeTen(String topic) throws Exception {
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(Map.of("group.id", COMMIT_GROUP, "max.poll.records", 10))) {
            consumer.subscribe(List.of(topic));
            List<ConsumerRecord<byte[], byte[]>> records = Clients.poll(consumer, 10);
            consumer.commitSync();
            long last = records.get(records.size() - 1).offset();
            TopicPartition partition = new TopicPartition(topic, 0);
            Check.equal("committed", last + 1, consumer.committed(Set.of(partition)).get(partition).offset());
            return List.of(records.get(0).offset(), last);
        }
    }

    private Groups() {}
}
