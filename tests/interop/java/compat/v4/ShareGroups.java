// Share groups (KIP-932), which client 2 does not know.
import java.time.Duration;
import java.util.*;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

final class ShareGroups {
    /** The shortest time that a broker lets a group hold records. */
    private static final int LOCK_MS = 15_000;

    static void run() {
        Check.check("share-implicit", ShareGroups::implicit);
        Check.check("share-explicit", ShareGroups::explicit);
        Check.check("share-record-limit", ShareGroups::recordLimit);
        Check.check("share-two-members", ShareGroups::twoMembers);
        Check.check("share-lock-and-renew", ShareGroups::lockAndRenew);
        Check.check("share-read-committed", ShareGroups::readCommitted);
        Check.check("share-offsets", ShareGroups::offsets);
    }

    /** Where groups start, and other settings that one has. */
    static void configure(String group, Map<String, String> more) throws Exception {
        Map<String, String> all = new TreeMap<>(more);
        all.putIfAbsent("share.auto.offset.reset", "earliest");
        List<AlterConfigOp> ops = all.entrySet().stream()
                .map(e -> new AlterConfigOp(new ConfigEntry(e.getKey(), e.getValue()), AlterConfigOp.OpType.SET))
                .collect(Collectors.toList());
        Clients.ADMIN.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.GROUP, group), ops)).all().get();
    }

    static KafkaShareConsumer<byte[], byte[]> member(String group, String topic, Map<String, Object> extra) {
        Map<String, Object> config = new HashMap<>(extra);
        config.put("bootstrap.servers", Clients.BOOTSTRAP);
        config.put("group.id", group);
        var bytes = new org.apache.kafka.common.serialization.ByteArrayDeserializer();
        var member = new KafkaShareConsumer<>(config, bytes, bytes);
        member.subscribe(List.of(topic));
        return member;
    }

    private static final Map<String, Object> EXPLICIT = Map.of("share.acknowledgement.mode", "explicit");

    private static void produce(String topic, int from, int count) throws Exception {
        Clients.send(Map.of(), count, i -> new ProducerRecord<>(topic, 0, null, String.valueOf(from + i).getBytes()));
    }

    private static int number(ConsumerRecord<byte[], byte[]> record) {
        return Integer.parseInt(new String(record.value()));
    }

    /** Polls until so many records have come, acknowledging each as told. */
    private static List<ConsumerRecord<byte[], byte[]>> take(
            KafkaShareConsumer<byte[], byte[]> member, int count, java.util.function.Function<ConsumerRecord<byte[], byte[]>, AcknowledgeType> how)
            throws Exception {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        Check.eventually(count + " records", () -> {
            for (var record : member.poll(Duration.ofMillis(200))) {
                records.add(record);
                if (how != null) member.acknowledge(record, how.apply(record));
            }
            commit(member);
            return records.size() >= count;
        });
        return records;
    }

    private static void commit(KafkaShareConsumer<byte[], byte[]> member) {
        for (var result : member.commitSync().entrySet()) {
            if (result.getValue().isPresent()) throw new AssertionError(result.getKey() + ": " + result.getValue().get());
        }
    }

    private static List<Integer> sorted(List<ConsumerRecord<byte[], byte[]>> records) {
        return records.stream().map(ShareGroups::number).sorted().collect(Collectors.toList());
    }

    private static List<Integer> numbers(int from, int to) {
        return java.util.stream.IntStream.range(from, to).boxed().collect(Collectors.toList());
    }

    private static Set<Short> deliveries(List<ConsumerRecord<byte[], byte[]>> records) {
        return records.stream().map(r -> r.deliveryCount().orElseThrow()).collect(Collectors.toSet());
    }

    /** What is polled is acknowledged with the next poll; nothing comes twice, also not to who comes later. */
    private static void implicit() throws Exception {
        String topic = Clients.name("share-implicit");
        Clients.createTopic(topic, 3, Map.of());
        configure(topic, Map.of());
        Clients.send(Map.of(), 90, i -> new ProducerRecord<>(topic, i % 3, null, String.valueOf(i).getBytes()));
        try (var member = member(topic, topic, Map.of())) {
            var records = take(member, 90, null);
            Check.equal("records", numbers(0, 90), sorted(records));
            Check.equal("deliveries", Set.of((short) 1), deliveries(records));
            var described = Clients.ADMIN.describeShareGroups(List.of(topic)).all().get().get(topic);
            Check.equal("state", "Stable", described.groupState().toString());
            Check.equal("members", 1, described.members().size());
            var assigned = described.members().iterator().next().assignment().topicPartitions();
            Check.equal("partitions", 3, assigned.size());
        }
        Clients.send(Map.of(), 9, i -> new ProducerRecord<>(topic, i % 3, null, String.valueOf(90 + i).getBytes()));
        try (var later = member(topic, topic, Map.of())) {
            Check.equal("new records", numbers(90, 99), sorted(take(later, 9, null)));
        }
    }

    /** What is accepted or rejected is gone, what is released comes again, as often as the limit allows. */
    private static void explicit() throws Exception {
        String topic = Clients.name("share-explicit");
        Clients.createTopic(topic, 1, Map.of());
        configure(topic, Map.of("share.delivery.count.limit", "3"));
        produce(topic, 0, 30);
        try (var member = member(topic, topic, EXPLICIT)) {
            var first = take(member, 30, r -> List.of(AcknowledgeType.ACCEPT, AcknowledgeType.RELEASE, AcknowledgeType.REJECT).get(number(r) % 3));
            Check.equal("first", numbers(0, 30), sorted(first));
            var again = take(member, 10, r -> AcknowledgeType.RELEASE);
            Check.that("released", again.stream().allMatch(r -> number(r) % 3 == 1));
            Check.equal("second time", Set.of((short) 2), deliveries(again));
            var last = take(member, 10, r -> AcknowledgeType.RELEASE);
            Check.equal("third time", Set.of((short) 3), deliveries(last));
            produce(topic, 100, 5);
            Check.equal("only the new ones", numbers(100, 105), sorted(take(member, 5, r -> AcknowledgeType.ACCEPT)));
        }
    }

    /** No more records come at once than were asked for. */
    private static void recordLimit() throws Exception {
        String topic = Clients.name("share-limit");
        Clients.createTopic(topic, 1, Map.of());
        configure(topic, Map.of());
        produce(topic, 0, 20);
        try (var member = member(topic, topic, Map.of("share.acquire.mode", "record_limit", "max.poll.records", 3))) {
            List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
            Check.eventually("20 records", () -> {
                var polled = member.poll(Duration.ofMillis(200));
                Check.that("at most 3", polled.count() <= 3);
                polled.forEach(records::add);
                return records.size() >= 20;
            });
            Check.equal("records", numbers(0, 20), sorted(records));
            commit(member);
        }
    }

    /** Two members share one partition: each record goes to one of them. */
    private static void twoMembers() throws Exception {
        String topic = Clients.name("share-two");
        Clients.createTopic(topic, 1, Map.of());
        configure(topic, Map.of());
        Map<Integer, Integer> seen = new TreeMap<>();
        Map<String, Object> few = Map.of("max.poll.records", 10);
        try (var one = member(topic, topic, few); var other = member(topic, topic, few)) {
            int[] counts = new int[2];
            Check.eventually("both are members", () -> {
                one.poll(Duration.ofMillis(50));
                other.poll(Duration.ofMillis(50));
                var group = Clients.ADMIN.describeShareGroups(List.of(topic)).describedGroups().get(topic).get();
                return group.members().stream().filter(m -> !m.assignment().topicPartitions().isEmpty()).count() == 2;
            });
            for (int round = 0; round < 20; round++) {
                produce(topic, round * 20, 10);
                produce(topic, round * 20 + 10, 10);
            }
            Check.eventually("400 records", () -> {
                var members = List.of(one, other);
                for (int i = 0; i < 2; i++) {
                    for (var record : members.get(i).poll(Duration.ofMillis(50))) {
                        seen.merge(number(record), 1, Integer::sum);
                        counts[i]++;
                    }
                }
                return seen.size() == 400;
            });
            Check.equal("each once", Set.of(1), Set.copyOf(seen.values()));
            Check.that("both got some: " + Arrays.toString(counts), counts[0] > 0 && counts[1] > 0);
            commit(one);
            commit(other);
        }
    }

    /** Who does not acknowledge in time loses records to others, unless it says that it goes on. */
    private static void lockAndRenew() throws Exception {
        String topic = Clients.name("share-lock");
        Clients.createTopic(topic, 1, Map.of());
        configure(topic, Map.of("share.record.lock.duration.ms", String.valueOf(LOCK_MS)));
        produce(topic, 0, 1);
        produce(topic, 1, 1);
        try (var slow = member(topic, topic, EXPLICIT); var quick = member(topic, topic, EXPLICIT)) {
            List<ConsumerRecord<byte[], byte[]>> held = new ArrayList<>();
            Check.eventually("2 records", () -> {
                slow.poll(Duration.ofMillis(200)).forEach(held::add);
                return held.size() == 2;
            });
            long begun = System.currentTimeMillis();
            Check.equal("timeout", Optional.of(LOCK_MS), slow.acquisitionLockTimeoutMs());
            Thread.sleep(LOCK_MS / 2);
            slow.acknowledge(held.get(0), AcknowledgeType.RENEW);
            slow.acknowledge(held.get(1), AcknowledgeType.RELEASE);
            commit(slow);
            var got = take(quick, 1, r -> AcknowledgeType.ACCEPT);
            Check.equal("the one that was released", List.of(1), sorted(got));
            Check.eventually("the other, later", () -> {
                for (var record : quick.poll(Duration.ofMillis(200))) {
                    got.add(record);
                    quick.acknowledge(record);
                }
                commit(quick);
                return got.size() == 2;
            });
            long after = System.currentTimeMillis() - begun;
            Check.that("renewed: " + after, after >= LOCK_MS + LOCK_MS / 4);
            Check.equal("deliveries", Set.of((short) 2), deliveries(got));
        }
    }

    /** With read_committed nothing of an aborted transaction comes, and nothing of an open one. */
    private static void readCommitted() throws Exception {
        String topic = Clients.name("share-committed");
        Clients.createTopic(topic, 1, Map.of());
        configure(topic, Map.of("share.isolation.level", "read_committed"));
        try (var producer = Clients.producer(Map.of("transactional.id", topic)); var member = member(topic, topic, EXPLICIT)) {
            producer.initTransactions();
            for (int i = 0; i < 6; i++) {
                producer.beginTransaction();
                for (int j = 0; j < 5; j++) producer.send(new ProducerRecord<>(topic, 0, null, String.valueOf(i * 5 + j).getBytes()));
                if (i % 2 == 0) producer.commitTransaction();
                else {
                    producer.flush();
                    producer.abortTransaction();
                }
            }
            var committed = take(member, 15, r -> AcknowledgeType.ACCEPT);
            Check.that("committed", committed.stream().allMatch(r -> number(r) / 5 % 2 == 0));
            Check.equal("once", 15, Set.copyOf(sorted(committed)).size());
        }
    }

    /** An administrator sees how far a group got, sets and deletes it, and deletes the group. */
    private static void offsets() throws Exception {
        String topic = Clients.name("share-offsets");
        var partition = new TopicPartition(topic, 0);
        Clients.createTopic(topic, 1, Map.of());
        configure(topic, Map.of());
        produce(topic, 0, 10);
        try (var member = member(topic, topic, Map.of())) {
            take(member, 10, null);
            try {
                Clients.ADMIN.deleteShareGroups(List.of(topic)).all().get();
                throw new AssertionError("a group with members is deleted");
            } catch (java.util.concurrent.ExecutionException e) {
                Check.that("not empty: " + e, e.getCause() instanceof org.apache.kafka.common.errors.GroupNotEmptyException);
            }
        }
        Check.eventually("lag 0", () -> lag(topic, partition).equals(Optional.of(0L)));
        var listed = Clients.ADMIN.listGroups(ListGroupsOptions.forShareGroups()).all().get();
        Check.that("listed", listed.stream().anyMatch(g -> g.groupId().equals(topic) && g.type().equals(Optional.of(GroupType.SHARE))));
        Clients.ADMIN.alterShareGroupOffsets(topic, Map.of(partition, 4L)).all().get();
        Check.eventually("lag 6", () -> lag(topic, partition).equals(Optional.of(6L)));
        try (var member = member(topic, topic, Map.of())) {
            Check.equal("again", numbers(4, 10), sorted(take(member, 6, null)));
        }
        Clients.ADMIN.deleteShareGroupOffsets(topic, Set.of(topic)).all().get();
        var group = Clients.ADMIN.listShareGroupOffsets(Map.of(topic, new ListShareGroupOffsetsSpec())).partitionsToOffsetInfo(topic).get();
        Check.that("no offsets: " + group, group.get(partition) == null);
        Clients.ADMIN.deleteShareGroups(List.of(topic)).all().get();
        listed = Clients.ADMIN.listGroups(ListGroupsOptions.forShareGroups()).all().get();
        Check.that("deleted", listed.stream().noneMatch(g -> g.groupId().equals(topic)));
    }

    private static Optional<Long> lag(String group, TopicPartition partition) throws Exception {
        var spec = new ListShareGroupOffsetsSpec().topicPartitions(List.of(partition));
        var offsets = Clients.ADMIN.listShareGroupOffsets(Map.of(group, spec)).partitionsToOffsetInfo(group).get();
        var info = offsets.get(partition);
        return info == null ? Optional.empty() : info.lag();
    }

    /** While the broker is killed, every record comes, and in the end everything is acknowledged. */
    static void underKills() throws Exception {
        String topic = Clients.name("share-kills");
        int count = 3000;
        Clients.createTopic(topic, 2, Map.of());
        configure(topic, Map.of("share.record.lock.duration.ms", String.valueOf(LOCK_MS), "share.delivery.count.limit", "10"));
        Clients.send(Map.of("delivery.timeout.ms", 60_000), count,
                i -> new ProducerRecord<>(topic, i % 2, null, String.valueOf(i).getBytes()));
        Set<Integer> seen = new TreeSet<>();
        long end = System.currentTimeMillis() + 90_000;
        try (var member = member(topic, topic, Map.of("max.poll.records", 50))) {
            while (seen.size() < count || !isDone(topic, 2)) {
                Check.that("only " + seen.size() + " within 90 s", System.currentTimeMillis() < end);
                for (var record : member.poll(Duration.ofMillis(200))) seen.add(number(record));
                Thread.sleep(200);
            }
        }
        Check.equal("records", numbers(0, count), List.copyOf(seen));
    }

    /** Whether nothing is left to acknowledge; no if that cannot be told now. */
    private static boolean isDone(String group, int partitions) {
        try {
            for (int i = 0; i < partitions; i++) {
                if (!lag(group, new TopicPartition(group, i)).equals(Optional.of(0L))) return false;
            }
            return true;
        } catch (Exception e) {
            return false;
        }
    }

    private ShareGroups() {}
}
