// Groups of the consumer protocol (KIP-848), which client 2 does not speak.
import java.time.Duration;
import java.util.*;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.errors.InvalidRegularExpression;

final class ModernGroups {
    static void run() {
        Check.check("consumer-group-rebalance", ModernGroups::rebalance);
        Check.check("consumer-group-pattern", ModernGroups::pattern);
        Check.check("consumer-group-static", ModernGroups::staticMember);
        Check.check("consumer-group-migration", ModernGroups::migration);
        Check.check("consumer-group-static-migration", ModernGroups::staticMigration);
    }

    private static KafkaConsumer<byte[], byte[]> consumer(String protocol, Map<String, Object> extra) {
        Map<String, Object> config = new HashMap<>(extra);
        config.put("bootstrap.servers", Clients.BOOTSTRAP);
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", false);
        config.put("group.protocol", protocol);
        if (protocol.equals("classic")) config.put("heartbeat.interval.ms", 500);
        var bytes = new org.apache.kafka.common.serialization.ByteArrayDeserializer();
        return new KafkaConsumer<>(config, bytes, bytes);
    }

    private static KafkaConsumer<byte[], byte[]> member(String protocol, String group, String topic) {
        KafkaConsumer<byte[], byte[]> consumer = consumer(protocol, Map.of("group.id", group));
        consumer.subscribe(List.of(topic));
        return consumer;
    }

    /** Polls all until the members have so many partitions. */
    private static void settle(List<KafkaConsumer<byte[], byte[]>> members, Map<String, Integer> seen, Integer... shares)
            throws Exception {
        Check.eventually("shares " + List.of(shares), () -> {
            for (var member : members) {
                for (var record : member.poll(Duration.ofMillis(50))) seen.merge(new String(record.value()), 1, Integer::sum);
                try {
                    member.commitSync();
                } catch (CommitFailedException | org.apache.kafka.common.errors.RebalanceInProgressException e) {
                    continue;
                }
            }
            List<Integer> now = members.stream().map(m -> m.assignment().size()).sorted().collect(Collectors.toList());
            return now.equals(List.of(shares));
        });
    }

    private static void read(List<KafkaConsumer<byte[], byte[]>> members, Map<String, Integer> seen, int count) throws Exception {
        Check.eventually(count + " records", () -> {
            for (var member : members) {
                for (var record : member.poll(Duration.ofMillis(50))) seen.merge(new String(record.value()), 1, Integer::sum);
                member.commitSync();
            }
            return seen.size() == count;
        });
    }

    private static void produce(String topic, int from) throws Exception {
        Clients.send(Map.of(), 40, i -> new ProducerRecord<>(topic, i % 4, null, String.valueOf(from + i).getBytes()));
    }

    private static ConsumerGroupDescription describe(String group) throws Exception {
        return Clients.ADMIN.describeConsumerGroups(List.of(group)).all().get().get(group);
    }

    /** One member has all, two share, and the one that stays has all again; each record is read once. */
    private static void rebalance() throws Exception {
        String topic = Clients.name("modern");
        Clients.createTopic(topic, 4, Map.of());
        Map<String, Integer> seen = new TreeMap<>();
        var first = member("consumer", topic, topic);
        produce(topic, 0);
        settle(List.of(first), seen, 4);
        read(List.of(first), seen, 40);
        var second = member("consumer", topic, topic);
        settle(List.of(first, second), seen, 2, 2);
        ConsumerGroupDescription got = describe(topic);
        Check.equal("type", GroupType.CONSUMER, got.type());
        Check.equal("assignor", "uniform", got.partitionAssignor());
        Check.equal("members", 2, got.members().size());
        produce(topic, 40);
        read(List.of(first, second), seen, 80);
        second.close();
        settle(List.of(first), seen, 4);
        produce(topic, 80);
        read(List.of(first), seen, 120);
        first.close();
        Check.equal("each record once", Set.of(1), Set.copyOf(seen.values()));
        Check.equal("state", "Empty", Compat.groupState(describe(topic)));
        Clients.ADMIN.deleteConsumerGroups(List.of(topic)).all().get();
    }

    /** The broker finds the topics, also new ones, and refuses what is no pattern. */
    private static void pattern() throws Exception {
        String prefix = Clients.name("pattern");
        Clients.createTopic(prefix + "-a", 2, Map.of());
        Clients.createTopic(prefix + "-b", 1, Map.of());
        try (var member = consumer("consumer", Map.of("group.id", prefix))) {
            member.subscribe(new SubscriptionPattern(prefix + "-[ab]"));
            settle(List.of(member), new TreeMap<>(), 3);
        }
        try (var member = consumer("consumer", Map.of("group.id", prefix + "-bad"))) {
            member.subscribe(new SubscriptionPattern("["));
            Check.eventually("the pattern is refused", () -> {
                try {
                    member.poll(Duration.ofMillis(100));
                    return false;
                } catch (InvalidRegularExpression refused) {
                    return true;
                }
            });
        }
    }

    /** A static member that is closed comes back to what it had. */
    private static void staticMember() throws Exception {
        String topic = Clients.name("modern-static");
        Clients.createTopic(topic, 4, Map.of());
        Map<String, Object> named = Map.of("group.id", topic, "group.instance.id", "one");
        var one = consumer("consumer", named);
        one.subscribe(List.of(topic));
        try (var other = member("consumer", topic, topic)) {
            settle(List.of(one, other), new TreeMap<>(), 2, 2);
            var had = Set.copyOf(one.assignment());
            one.close();
            one = consumer("consumer", named);
            one.subscribe(List.of(topic));
            settle(List.of(one, other), new TreeMap<>(), 2, 2);
            Check.equal("the same partitions", had, Set.copyOf(one.assignment()));
        }
        one.close();
    }

    /** A group with members goes from the classic protocol to the consumer protocol and back. */
    private static void migration() throws Exception {
        String topic = Clients.name("migration");
        Clients.createTopic(topic, 4, Map.of());
        Map<String, Integer> seen = new TreeMap<>();
        try (var classic = member("classic", topic, topic)) {
            produce(topic, 0);
            settle(List.of(classic), seen, 4);
            read(List.of(classic), seen, 40);
            try (var modern = member("consumer", topic, topic)) {
                settle(List.of(classic, modern), seen, 2, 2);
                Check.equal("type", GroupType.CONSUMER, describe(topic).type());
                produce(topic, 40);
                read(List.of(classic, modern), seen, 80);
            }
            settle(List.of(classic), seen, 4);
            Check.equal("type", GroupType.CLASSIC, describe(topic).type());
            produce(topic, 80);
            read(List.of(classic), seen, 120);
        }
        Check.equal("each record once", Set.of(1), Set.copyOf(seen.values()));
    }

    /** Static members go one after the other from the classic protocol to the consumer protocol, and back. */
    private static void staticMigration() throws Exception {
        String topic = Clients.name("static-migration");
        Clients.createTopic(topic, 4, Map.of());
        Map<String, Integer> seen = new TreeMap<>();
        List<KafkaConsumer<byte[], byte[]>> members = new ArrayList<>();
        for (String id : List.of("one", "two")) members.add(named("classic", topic, id));
        try {
            settle(members, seen, 2, 2);
            Check.equal("type", GroupType.CLASSIC, describe(topic).type());
            int sent = 0;
            for (String protocol : List.of("consumer", "classic")) {
                for (int i = 0; i < 2; i++) {
                    members.get(i).close();
                    members.set(i, named(protocol, topic, i == 0 ? "one" : "two"));
                    settle(members, seen, 2, 2);
                    boolean isClassic = protocol.equals("classic") && i == 1;
                    Check.equal("type", isClassic ? GroupType.CLASSIC : GroupType.CONSUMER, describe(topic).type());
                    Check.equal("members", 2, describe(topic).members().size());
                    produce(topic, sent);
                    read(members, seen, sent += 40);
                }
            }
        } finally {
            for (var member : members) member.close();
        }
        Check.equal("each record once", Set.of(1), Set.copyOf(seen.values()));
    }

    private static KafkaConsumer<byte[], byte[]> named(String protocol, String topic, String id) {
        var member = consumer(protocol, Map.of("group.id", topic, "group.instance.id", id));
        member.subscribe(List.of(topic));
        return member;
    }

    private ModernGroups() {}
}
