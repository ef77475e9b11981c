// One group with a member of every age.
import java.util.*;
import java.util.stream.*;

final class AgesGroup {
    private static final int RECORDS = 5;

    private final String topic;
    private final List<Age> members;
    /** Every record that a member read, as PARTITION:OFFSET. */
    private final Map<Age, List<String>> seen = new HashMap<>();
    private int produced;

    AgesGroup(String topic, List<Age> ages) {
        this.topic = topic;
        this.members = new ArrayList<>(ages);
    }

    /** Each has one of the partitions; when the oldest and the youngest have left, the others have all. */
    void run() throws Exception {
        int partitions = members.size();
        Age newest = members.get(partitions - 1), oldest = members.get(0);
        newest.call("create", topic, partitions);
        for (Age age : members) age.call("join", topic, topic);
        settle(partitions, 1);
        produce(partitions);
        settle(partitions, 1);
        for (Age age : List.of(newest, oldest)) {
            seen.put(age, words(age.call("leave").get(1)));
            members.remove(age);
        }
        settle(partitions, 2);
        produce(partitions);
        settle(partitions, 2);
        for (Age age : members) seen.put(age, words(age.call("leave").get(1)));
        Check.equal("records read", (long) produced * partitions, all().count());
        Check.equal("different ones", (long) produced * partitions, all().distinct().count());
    }

    /** Ages take turns, so that old members read what new producers write and the other way round. */
    private void produce(int partitions) throws Exception {
        for (int p = 0; p < partitions; p++) {
            members.get(p % members.size()).call("produce", topic + ":" + p, "gzip", false, "0+" + RECORDS);
        }
        produced += RECORDS;
    }

    /** Waits until the members have all partitions, none more than `most`, and have read all that was written. */
    private void settle(int partitions, int most) throws Exception {
        Check.eventually("a settled group that has read all", () -> {
            int assigned = 0, largest = 0;
            for (Age age : members) {
                List<String> report = age.call("member");
                int count = Integer.parseInt(report.get(0));
                assigned += count;
                largest = Math.max(largest, count);
                seen.put(age, words(report.get(1)));
            }
            return assigned == partitions && largest <= most && all().count() >= (long) produced * partitions;
        });
    }

    private Stream<String> all() {
        return seen.values().stream().flatMap(List::stream);
    }

    private static List<String> words(String line) {
        return line.isEmpty() ? List.of() : List.of(line.split(" "));
    }
}
