// The few admin calls that were renamed between client 2 and client 4, in their old form.
import java.util.*;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.*;

final class Compat {
    static TopicDescription describeTopic(Admin admin, String topic) throws Exception {
        return admin.describeTopics(List.of(topic)).all().get().get(topic);
    }

    static Set<String> listGroups(Admin admin) throws Exception {
        return admin.listConsumerGroups().all().get().stream()
                .map(ConsumerGroupListing::groupId)
                .collect(Collectors.toSet());
    }

    static String groupState(ConsumerGroupDescription group) {
        return group.state().toString();
    }

    private Compat() {}
}
