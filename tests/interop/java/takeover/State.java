// All that clients can see of a broker, as text: to be the same before and after.
import java.security.MessageDigest;
import java.time.Duration;
import java.util.*;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.quota.ClientQuotaFilter;

final class State {
    static Map<String, String> of(Admin admin, List<ConfigResource> resources) throws Exception {
        Map<String, String> state = new TreeMap<>();
        state.put("cluster", admin.describeCluster().clusterId().get());
        Set<String> names = admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get();
        List<TopicPartition> partitions = new ArrayList<>();
        for (TopicDescription topic : admin.describeTopics(names).allTopicNames().get().values()) {
            state.put("topic " + topic.name(), topic.topicId() + " " + topic.partitions().size());
            if (topic.name().startsWith("__")) continue;
            topic.partitions().forEach(p -> partitions.add(new TopicPartition(topic.name(), p.partition())));
        }
        List<ConfigResource> configured = new ArrayList<>(resources);
        names.forEach(name -> configured.add(new ConfigResource(ConfigResource.Type.TOPIC, name)));
        admin.describeConfigs(configured).all().get().forEach((resource, config) -> {
            String own = config.entries().stream().filter(e -> e.source().name().startsWith("DYNAMIC"))
                    .map(e -> e.name() + "=" + e.value()).sorted().collect(Collectors.joining(" "));
            state.put("config " + resource, own);
        });
        admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get()
                .forEach((entity, quotas) -> state.put("quota " + entity, new TreeMap<>(quotas).toString()));
        for (GroupListing group : admin.listGroups().all().get()) {
            if (group.type().map(type -> type.toString().equals("Share")).orElse(false)) continue;
            var offsets = admin.listConsumerGroupOffsets(group.groupId()).partitionsToOffsetAndMetadata().get();
            Map<String, String> sorted = new TreeMap<>();
            offsets.forEach((p, o) -> sorted.put(p.toString(), o.offset() + " " + o.leaderEpoch() + " " + o.metadata()));
            state.put("group " + group.groupId(), group.type().orElse(null) + " " + sorted);
        }
        records(partitions, state);
        return state;
    }

    /** First and last offset, and a digest of all records. */
    private static void records(List<TopicPartition> partitions, Map<String, String> state) throws Exception {
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(Map.of())) {
            var begin = consumer.beginningOffsets(partitions);
            var end = consumer.endOffsets(partitions);
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Map<String, String>> found = new HashMap<>();
            Check.eventually("all records are read", () -> {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                    TopicPartition at = new TopicPartition(record.topic(), record.partition());
                    // What is compacted may lose all but the last of a key at any time.
                    String key = record.topic().equals(Takeover.COMPACTED)
                            ? new String(record.key()) : String.format("%09d", record.offset());
                    found.computeIfAbsent(at, p -> new TreeMap<>()).put(key, text(record));
                }
                return partitions.stream().allMatch(p -> consumer.position(p) >= end.get(p));
            });
            for (TopicPartition partition : partitions) {
                Map<String, String> records = found.getOrDefault(partition, Map.of());
                MessageDigest digest = MessageDigest.getInstance("SHA-256");
                records.values().forEach(record -> digest.update(record.getBytes()));
                // A transaction that is open at the stop gets its marker later.
                boolean isOpen = List.of(Takeover.TRANSACTIONAL, Takeover.DECIDED).contains(partition.topic());
                Object last = isOpen ? "" : end.get(partition);
                state.put("records " + partition, begin.get(partition) + " to " + last + ": " + records.size() + " "
                        + HexFormat.of().formatHex(digest.digest()));
            }
        }
    }

    private static String text(ConsumerRecord<byte[], byte[]> record) {
        StringBuilder text = new StringBuilder();
        text.append(record.offset()).append(' ').append(record.timestamp()).append(record.timestampType());
        text.append(record.leaderEpoch()).append(Arrays.toString(record.key())).append(Arrays.toString(record.value()));
        for (Header header : record.headers()) text.append(header.key()).append(Arrays.toString(header.value()));
        return text.toString();
    }

    private State() {}
}
