// The few admin calls that were renamed between client 2 and client 4, in their present form.
import java.util.*;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.*;

final class Compat {
    static TopicDescription describeTopic(Admin admin, String topic) throws Exception {
        return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
    }

    static Set<String> listGroups(Admin admin) throws Exception {
        return admin.listGroups().all().get().stream().map(GroupListing::groupId).collect(Collectors.toSet());
    }

    static String groupState(ConsumerGroupDescription group) {
        return group.groupState().toString();
    }

    private Compat() {}
}
