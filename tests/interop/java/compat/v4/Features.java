// What clients can do while a feature is at a lower level, or off (KIP-584).
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public final class Features {
    /** The checks of one level of transactions, named by the argument, or without one those of what is off. */
    public static void main(String[] args) throws Exception {
        if (args.length > 0) {
            short level = Short.parseShort(args[0]);
            set("transaction.version", level);
            Check.check("txn-level-" + level, Transactions::all);
        } else {
            Check.check("share-off", () -> off("share.version", "share"));
            Check.check("consumer-off", () -> off("group.version", "consumer"));
        }
        Clients.ADMIN.close();
    }

    private static void set(String feature, short level) throws Exception {
        short before = level(feature);
        if (before == level) return;
        var kind = level > before ? FeatureUpdate.UpgradeType.UPGRADE : FeatureUpdate.UpgradeType.SAFE_DOWNGRADE;
        Clients.ADMIN.updateFeatures(Map.of(feature, new FeatureUpdate(level, kind)), new UpdateFeaturesOptions()).all().get();
        Check.eventually(feature + " is at " + level, () -> level(feature) == level);
    }

    /** What is not finalized is at level 0. */
    private static short level(String feature) throws Exception {
        var found = Clients.ADMIN.describeFeatures().featureMetadata().get().finalizedFeatures().get(feature);
        return found == null ? 0 : found.maxVersionLevel();
    }

    /** A member is refused while the feature is off; when it is on again one reads what there is. */
    private static void off(String feature, String protocol) throws Exception {
        String topic = Clients.name(protocol + "-off");
        Clients.createTopic(topic, 1, Map.of());
        ShareGroups.configure(topic, Map.of());
        Clients.send(Map.of(), 10, i -> new org.apache.kafka.clients.producer.ProducerRecord<>(topic, 0, null, new byte[] {(byte) i}));
        set(feature, (short) 0);
        try (Member member = member(protocol, topic)) {
            Check.eventually("it is refused", () -> {
                try {
                    member.poll();
                    return false;
                } catch (UnsupportedVersionException e) {
                    return true;
                }
            });
        }
        set(feature, (short) 1);
        try (Member member = member(protocol, topic)) {
            int[] read = {0};
            Check.eventually("10 records", () -> (read[0] += member.poll()) >= 10);
            Check.equal("records", 10, read[0]);
        }
    }

    private interface Member extends AutoCloseable {
        int poll();

        @Override
        void close();
    }

    private static Member member(String protocol, String topic) {
        var bytes = new ByteArrayDeserializer();
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", Clients.BOOTSTRAP, "group.id", topic));
        if (protocol.equals("share")) {
            var member = new KafkaShareConsumer<>(config, bytes, bytes);
            member.subscribe(List.of(topic));
            return member(() -> member.poll(Duration.ofMillis(200)).count(), member::close);
        }
        config.putAll(Map.of("group.protocol", protocol, "auto.offset.reset", "earliest"));
        var member = new KafkaConsumer<>(config, bytes, bytes);
        member.subscribe(List.of(topic));
        return member(() -> member.poll(Duration.ofMillis(200)).count(), member::close);
    }

    private static Member member(java.util.function.IntSupplier poll, Runnable close) {
        return new Member() {
            @Override
            public int poll() {
                return poll.getAsInt();
            }

            @Override
            public void close() {
                close.run();
            }
        };
    }

    private Features() {}
}
