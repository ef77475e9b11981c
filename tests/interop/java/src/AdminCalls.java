// What an administrator does: look at cluster, topics, configs and groups, change and delete them.
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

final class AdminCalls {
    private static final Admin ADMIN = Clients.ADMIN;
    private static final String TOPIC = Clients.name("admin");

    static void run() {
        Check.check("admin-describe-cluster", AdminCalls::describeCluster);
        Check.check("admin-list-topics", () -> Check.that("listed", topics().contains(Records.TOPIC)));
        Check.check("admin-describe-topic", AdminCalls::describeTopic);
        Check.check("admin-describe-configs", AdminCalls::describeConfigs);
        Check.check("admin-alter-configs", AdminCalls::alterConfigs);
        Check.check("admin-create-partitions", AdminCalls::createPartitions);
        Check.check("admin-delete-records", AdminCalls::deleteRecords);
        Check.check("admin-list-groups", () ->
                Check.that("listed", Compat.listGroups(ADMIN).contains(Groups.COMMIT_GROUP)));
        Check.check("admin-describe-group", AdminCalls::describeGroup);
        Check.check("admin-group-offsets", AdminCalls::groupOffsets);
        Check.check("admin-delete-group", AdminCalls::deleteGroup);
        Check.check("admin-delete-topic", AdminCalls::deleteTopic);
    }

    private static Set<String> topics() throws Exception {
        return ADMIN.listTopics().names().get();
    }

    private static void describeCluster() throws Exception {
        DescribeClusterResult cluster = ADMIN.describeCluster();
        Check.that("a cluster id", !cluster.clusterId().get().isEmpty());
        Check.that("the controller is a node", cluster.nodes().get().contains(cluster.controller().get()));
    }

    private static void describeTopic() throws Exception {
        TopicDescription topic = Compat.describeTopic(ADMIN, Records.TOPIC);
        Check.equal("partitions", 5, topic.partitions().size());
        topic.partitions().forEach(p -> {
            Check.equal("replicas", List.of(p.leader()), p.replicas());
            Check.equal("in-sync replicas", List.of(p.leader()), p.isr());
        });
    }

    private static ConfigEntry config(String topic, String key) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        return ADMIN.describeConfigs(List.of(resource)).all().get().get(resource).get(key);
    }

    private static void describeConfigs() throws Exception {
        Check.equal("set value", "86400000", config(Records.TOPIC, "retention.ms").value());
        Check.equal("its source", ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, config(Records.TOPIC, "retention.ms").source());
        Check.equal("default value", "producer", config(Records.TOPIC, "compression.type").value());
        Check.that("marked as default", config(Records.TOPIC, "compression.type").isDefault());
    }

    private static void alterConfigs() throws Exception {
        Clients.createTopic(TOPIC, 1, Map.of());
        String before = config(TOPIC, "retention.ms").value();
        alter(AlterConfigOp.OpType.SET, "7200000");
        Check.eventually("the new value", () -> config(TOPIC, "retention.ms").value().equals("7200000"));
        alter(AlterConfigOp.OpType.DELETE, null);
        Check.eventually("the default again", () -> config(TOPIC, "retention.ms").value().equals(before));
    }

    private static void alter(AlterConfigOp.OpType operation, String value) throws Exception {
        AlterConfigOp change = new AlterConfigOp(new ConfigEntry("retention.ms", value), operation);
        ADMIN.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.TOPIC, TOPIC), List.of(change))).all().get();
    }

    private static void createPartitions() throws Exception {
        ADMIN.createPartitions(Map.of(TOPIC, NewPartitions.increaseTo(3))).all().get();
        Check.eventually("three partitions", () -> Compat.describeTopic(ADMIN, TOPIC).partitions().size() == 3);
    }

    private static void deleteRecords() throws Exception {
        TopicPartition partition = new TopicPartition(TOPIC, 0);
        Clients.send(Map.of(), 10, i -> new ProducerRecord<>(TOPIC, 0, null, new byte[] {(byte) i}));
        long low = ADMIN.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(4))).lowWatermarks().get(partition).get().lowWatermark();
        Check.equal("low watermark", 4L, low);
        Check.equal("earliest offset", 4L,
                ADMIN.listOffsets(Map.of(partition, OffsetSpec.earliest())).partitionResult(partition).get().offset());
    }

    private static void describeGroup() throws Exception {
        String group = Groups.COMMIT_GROUP;
        ConsumerGroupDescription got = ADMIN.describeConsumerGroups(List.of(group)).all().get().get(group);
        Check.equal("state", "Empty", Compat.groupState(got));
        Check.equal("members", 0, got.members().size());
    }

    private static void groupOffsets() throws Exception {
        var offsets = ADMIN.listConsumerGroupOffsets(Groups.COMMIT_GROUP).partitionsToOffsetAndMetadata().get();
        Check.equal("committed", (long) Groups.COMMITTED, offsets.get(new TopicPartition(Clients.name("commit"), 0)).offset());
    }

    private static void deleteGroup() throws Exception {
        ADMIN.deleteConsumerGroups(List.of(Groups.COMMIT_GROUP)).all().get();
        Check.that("gone", !Compat.listGroups(ADMIN).contains(Groups.COMMIT_GROUP));
    }

    private static void deleteTopic() throws Exception {
        ADMIN.deleteTopics(List.of(TOPIC)).all().get();
        Check.eventually("gone", () -> !topics().contains(TOPIC));
    }

    private AdminCalls() {}
}
