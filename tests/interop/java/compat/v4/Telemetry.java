// Clients push their metrics (KIP-714), as they do by default, and the broker tells them.
import java.net.URI;
import java.net.http.*;
import java.time.Duration;
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.config.ConfigResource;

public final class Telemetry {
    private static final HttpClient HTTP = HttpClient.newHttpClient();

    public static void main(String[] args) {
        Check.check("telemetry-push", Telemetry::push);
        Check.check("telemetry-match", Telemetry::match);
        Clients.ADMIN.close();
    }

    /** A producer is asked for everything, and its counts are those of what it sends. */
    private static void push() throws Exception {
        String topic = Clients.name("telemetry"), id = Clients.name("pushes");
        Clients.createTopic(topic, 1, Map.of());
        subscribe("all", Map.of("metrics", "*", "interval.ms", "200"));
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(Map.of("client.id", id))) {
            for (int i = 0; i < 10; i++) producer.send(new ProducerRecord<>(topic, new byte[10])).get();
            String instance = producer.clientInstanceId(Duration.ofSeconds(10)).toString();
            Check.eventually("the records are counted", () -> series(id)
                    .filter(line -> line.contains("\"org.apache.kafka.producer.record.send.total\""))
                    .anyMatch(line -> line.startsWith("klamm_client_metric_total{") && line.endsWith(" 10")
                            && line.contains("client_instance_id=\"" + instance + "\"")
                            && line.contains("software_name=\"apache-kafka-java\"")));
        }
        unsubscribe("all");
    }

    /** Of two clients only the one that is meant pushes, and only what it is asked for. */
    private static void match() throws Exception {
        String meant = Clients.name("meant-1"), other = Clients.name("other-1");
        subscribe("some", Map.of("metrics", "org.apache.kafka.consumer.", "interval.ms", "200",
                "match", "client_id=" + Clients.name("meant-.*") + ",client_software_name=apache-kafka-java"));
        try (KafkaConsumer<byte[], byte[]> asked = Clients.consumer(Map.of("client.id", meant, "group.id", meant));
                KafkaConsumer<byte[], byte[]> ignored = Clients.consumer(Map.of("client.id", other, "group.id", other))) {
            asked.subscribe(List.of(Clients.name("telemetry")));
            ignored.subscribe(List.of(Clients.name("telemetry")));
            Check.eventually("the one that is meant pushes", () -> {
                asked.poll(Duration.ofMillis(100));
                ignored.poll(Duration.ofMillis(100));
                return series(meant).count() > 10;
            });
            Check.that("only what was asked for",
                    series(meant).allMatch(line -> line.contains("metric=\"org.apache.kafka.consumer.")));
            Check.equal("series of the other", 0L, series(other).count());
        }
        unsubscribe("some");
    }

    /** The lines of one client's metrics. */
    private static Stream<String> series(String client) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(System.getenv("METRICS"))).build();
        String page = HTTP.send(request, HttpResponse.BodyHandlers.ofString()).body();
        return page.lines().filter(line -> line.startsWith("klamm_client_metric")
                && line.contains("client_id=\"" + client + "\""));
    }

    private static void subscribe(String name, Map<String, String> configs) throws Exception {
        alter(name, configs.entrySet().stream()
                .map(it -> new AlterConfigOp(new ConfigEntry(it.getKey(), it.getValue()), AlterConfigOp.OpType.SET)));
    }

    private static void unsubscribe(String name) throws Exception {
        alter(name, Stream.of("metrics", "interval.ms", "match")
                .map(it -> new AlterConfigOp(new ConfigEntry(it, ""), AlterConfigOp.OpType.DELETE)));
    }

    private static void alter(String name, Stream<AlterConfigOp> ops) throws Exception {
        var resource = new ConfigResource(ConfigResource.Type.CLIENT_METRICS, name);
        Clients.ADMIN.incrementalAlterConfigs(Map.of(resource, ops.collect(Collectors.toList()))).all().get();
    }

    private Telemetry() {}
}
