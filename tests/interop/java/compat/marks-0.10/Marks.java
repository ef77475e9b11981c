// What a record carries besides key and value: a timestamp; there are no headers before 0.11.
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

final class Marks {
    static ProducerRecord<byte[], byte[]> record(TopicPartition to, int n) {
        return new ProducerRecord<>(to.topic(), to.partition(), Numbered.timestamp(n), Numbered.key(n), Numbered.value(n));
    }

    static String of(ConsumerRecord<byte[], byte[]> record) {
        return record.timestamp() + " ?";
    }

    private Marks() {}
}
