// Leaves a transaction open that its coordinator knows nothing of: records in a transaction are sent
// as by a client before KIP-890, without AddPartitionsToTxn. The broker must not verify that.
//
// java -cp JARS Hanging.java BOOTSTRAP TOPIC TRANSACTIONAL_ID
import java.io.*;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.message.ProduceRequestData;
import org.apache.kafka.common.message.ProduceRequestData.*;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.requests.*;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class Hanging {
    /** The last version in which the client adds partitions to its transaction by itself. */
    private static final short VERSION = 11;

    public static void main(String[] args) throws Exception {
        String bootstrap = args[0], topic = args[1], id = args[2];
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap, "transactional.id", id);
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            producer.initTransactions();
        }
        try (Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", bootstrap))) {
            TransactionDescription of = admin.describeTransactions(List.of(id)).all().get().get(id);
            MemoryRecords records = MemoryRecords.withTransactionalRecords(Compression.NONE, of.producerId(),
                (short) of.producerEpoch(), 0, new SimpleRecord(System.currentTimeMillis(), "never".getBytes()));
            send(bootstrap, request(topic, id, records));
        }
    }

    private static ProduceRequest request(String topic, String id, MemoryRecords records) {
        var topics = new TopicProduceDataCollection();
        topics.add(new TopicProduceData().setName(topic)
            .setPartitionData(List.of(new PartitionProduceData().setIndex(0).setRecords(records))));
        return new ProduceRequest(new ProduceRequestData().setTransactionalId(id).setAcks((short) -1)
            .setTimeoutMs(10000).setTopicData(topics), VERSION);
    }

    private static void send(String bootstrap, ProduceRequest request) throws IOException {
        String[] at = bootstrap.split(":");
        try (Socket socket = new Socket(at[0], Integer.parseInt(at[1]))) {
            RequestHeader header = new RequestHeader(ApiKeys.PRODUCE, VERSION, "hanging", 1);
            ByteBuffer bytes = request.serializeWithHeader(header);
            var out = new DataOutputStream(socket.getOutputStream());
            out.writeInt(bytes.remaining());
            out.write(bytes.array(), bytes.arrayOffset() + bytes.position(), bytes.remaining());
            var in = new DataInputStream(socket.getInputStream());
            byte[] answer = new byte[in.readInt()];
            in.readFully(answer);
            var response = (ProduceResponse) AbstractResponse.parseResponse(ByteBuffer.wrap(answer), header);
            System.out.println(response.data());
            if (!response.errorCounts().keySet().equals(Set.of(Errors.NONE))) System.exit(1);
        }
    }
}
