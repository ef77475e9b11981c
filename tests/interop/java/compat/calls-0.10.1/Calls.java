// Calls that clients have since some version only, or that changed: as they are from 0.10.1 to 2.3.
import java.util.Map;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;

final class Calls {
    static ConsumerRecords<byte[], byte[]> poll(KafkaConsumer<byte[], byte[]> consumer, long wait) {
        return consumer.poll(wait);
    }

    static OffsetAndMetadata committed(KafkaConsumer<byte[], byte[]> consumer, TopicPartition partition) {
        return consumer.committed(partition);
    }

    static String offsetAt(KafkaConsumer<byte[], byte[]> consumer, TopicPartition partition, long timestamp) {
        OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(partition, timestamp)).get(partition);
        return found == null ? "none" : found.offset() + " " + found.timestamp();
    }

    static void createTopic(String bootstrap, String topic, int partitions) {
        throw new UnsupportedOperationException("topics are created by newer clients");
    }

    private Calls() {}
}
