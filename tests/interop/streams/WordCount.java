// One process of an application that counts words exactly once. The arguments are settings, KEY=VALUE.
import java.time.Duration;
import java.util.*;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;

public final class WordCount {
    public static void main(String[] args) throws Exception {
        String in = args[0], out = args[1];
        Properties config = new Properties();
        config.put("processing.guarantee", "exactly_once_v2");
        config.put("default.key.serde", Serdes.StringSerde.class);
        config.put("default.value.serde", Serdes.StringSerde.class);
        config.put("replication.factor", 1);
        config.put("num.stream.threads", 2);
        config.put("commit.interval.ms", 100);
        config.put("consumer.auto.offset.reset", "earliest");
        // What a process that was killed left open is to end soon.
        config.put("transaction.timeout.ms", 10_000);
        for (String setting : List.of(args).subList(2, args.length)) {
            String[] parts = setting.split("=", 2);
            config.put(parts[0], parts[1]);
        }
        try (KafkaStreams streams = new KafkaStreams(topology(in, out), config)) {
            CountDownLatch failed = new CountDownLatch(1);
            streams.setUncaughtExceptionHandler(error -> {
                error.printStackTrace();
                failed.countDown();
                return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler
                        .StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
            });
            // The conductor closes our input when it has seen enough.
            Thread watch = new Thread(() -> {
                try {
                    while (System.in.read() >= 0) {}
                } catch (java.io.IOException e) {
                    // Then there is nobody to work for either.
                }
                failed.countDown();
            });
            watch.setDaemon(true);
            watch.start();
            streams.start();
            failed.await();
            streams.close(Duration.ofSeconds(10));
        }
    }

    private static Topology topology(String in, String out) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.<String, String>stream(in)
                .flatMapValues(line -> List.of(line.split(" ")))
                .groupBy((key, word) -> word)
                .count(Materialized.as("counts"))
                .toStream()
                .mapValues(String::valueOf)
                .to(out);
        return builder.build();
    }

    private WordCount() {}
}
