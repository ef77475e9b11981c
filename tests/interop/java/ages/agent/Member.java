// A member of a group that polls and commits in a thread of its own until it leaves.
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;

final class Member {
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final Thread thread = new Thread(this::run);
    private volatile boolean leaving;
    private volatile Set<TopicPartition> assignment = Set.of();
    private volatile String error;
    private final List<String> seen = Collections.synchronizedList(new ArrayList<>());

    Member(KafkaConsumer<byte[], byte[]> consumer, String topic) {
        this.consumer = consumer;
        consumer.subscribe(List.of(topic));
        thread.start();
    }

    private void run() {
        try {
            while (!leaving) {
                for (ConsumerRecord<byte[], byte[]> record : Calls.poll(consumer, 100)) {
                    seen.add(record.partition() + ":" + record.offset());
                }
                commit();
                assignment = Set.copyOf(consumer.assignment());
            }
        } catch (RuntimeException e) {
            error = e.toString();
        } finally {
            consumer.close();
        }
    }

    /** A commit that meets a rebalance is repeated after the next poll. */
    private void commit() {
        try {
            consumer.commitSync();
        } catch (CommitFailedException | org.apache.kafka.common.errors.RetriableException e) {
            return;
        } catch (org.apache.kafka.common.errors.ApiException e) {
            // Ages differ in the class; all say it in the name.
            if (!e.getClass().getSimpleName().startsWith("RebalanceInProgress")) throw e;
        }
    }

    /** The number of its partitions, and every record it has read since it joined. */
    void report() {
        if (error != null) throw new AssertionError(error);
        System.out.println(assignment.size());
        synchronized (seen) {
            System.out.println(String.join(" ", seen));
        }
    }

    void leave() throws InterruptedException {
        leaving = true;
        thread.join(Agent.WAIT_MS);
        report();
    }
}
