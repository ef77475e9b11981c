//! The metadata quorum: voters, elections, its log and snapshots.

use super::reason::{NATIVE, ONE_NODE, SNAPSHOTS};
use crate::key::keys;
use crate::rule::Rule;

keys! { Broker:
    "controller.listener.names" List "CONTROLLER" [non_empty_list_of(&[]), kafka_requires_it]
        "Listeners that serve the controller. Brokers use the first.";
    "controller.quorum.voters" List "" [rule(Rule::Voters)]
        "The controllers of a fixed quorum, as `id@host:port`. Empty on a node that is its own \
         quorum.";
    "controller.quorum.bootstrap.servers" List "" [rule(Rule::HostPorts), accepted(ONE_NODE)]
        "Addresses, as `host:port`, at which to find the quorum.";
    "controller.quorum.auto.join.enable" Boolean "false" [accepted(ONE_NODE)]
        "Whether a new controller makes itself a voter.";
    "controller.quorum.election.timeout.ms" Int "1000" [at_least(0), accepted(ONE_NODE)]
        "How long a voter waits for an election to end before it starts another.";
    "controller.quorum.election.backoff.max.ms" Int "1000" [at_least(0), accepted(ONE_NODE)]
        "Longest random wait between two elections.";
    "controller.quorum.fetch.timeout.ms" Int "2000" [at_least(0), accepted(ONE_NODE)]
        "How long a voter goes without the leader before it starts an election.";
    "controller.quorum.fetch.max.bytes" Int "1048576" [at_least(1), accepted(ONE_NODE)]
        "How many bytes of the metadata log are fetched at once.";
    "controller.quorum.fetch.snapshot.max.bytes" Int "1048576" [at_least(1), accepted(ONE_NODE)]
        "How many bytes of a metadata snapshot are fetched at once.";
    "controller.quorum.request.timeout.ms" Int "2000" [at_least(0), accepted(ONE_NODE)]
        "How long a request between quorum members may take.";
    "controller.quorum.retry.backoff.ms" Int "20" [at_least(0), accepted(ONE_NODE)]
        "How long a quorum member waits before it repeats a failed request.";
    "controller.quorum.append.linger.ms" Int "25" [at_least(0), accepted(ONE_NODE)]
        "How long the leader gathers metadata records before it writes them.";
    "controller.quota.window.num" Int "11" [at_least(1)]
        "How many windows the controller's mutation quota looks back over.";
    "controller.quota.window.size.seconds" Int "1" [at_least(1)]
        "How long one such window lasts.";
    "controller.performance.sample.period.ms" Long "60000"
        [at_least(100), internal, accepted(NATIVE)]
        "How often the controller reports on its own event times.";
    "controller.performance.always.log.threshold.ms" Long "2000"
        [at_least(0), internal, accepted(NATIVE)]
        "How slow a controller event must be to be logged at once.";
    "metadata.log.dir" String null []
        "Directory of the metadata log. Falls back to the first of `log.dirs`.";
    "metadata.log.segment.bytes" Int "1073741824" [at_least(8388608)]
        "Size at which the metadata log starts a new segment.";
    "metadata.log.segment.ms" Long "604800000" [accepted(SNAPSHOTS)]
        "Age at which the metadata log starts a new segment.";
    "metadata.log.max.record.bytes.between.snapshots" Long "20971520" [at_least(1)]
        "How many bytes of metadata records are written before the next snapshot.";
    "metadata.log.max.snapshot.interval.ms" Long "3600000" [at_least(0)]
        "How long at most until the next snapshot, if there are records since the last; 0 sets no \
         limit.";
    "metadata.max.idle.interval.ms" Int "500" [at_least(0), accepted(ONE_NODE)]
        "How often the active controller writes an empty record; 0 never.";
    "metadata.max.retention.bytes" Long "104857600" [accepted(SNAPSHOTS)]
        "How much of the metadata log and its snapshots is kept.";
    "metadata.max.retention.ms" Long "604800000" [accepted(SNAPSHOTS)]
        "How long old parts of the metadata log and snapshots are kept.";
    "internal.metadata.log.segment.bytes" Int null [internal]
        "Size of the metadata log's segments without a lower bound. For tests.";
    "internal.metadata.max.batch.size.in.bytes" Int "8388608" [internal, accepted(NATIVE)]
        "Largest batch in the metadata log. For tests.";
    "internal.metadata.delete.delay.millis" Long "60000" [internal, accepted(SNAPSHOTS)]
        "How long deleted files of the metadata log stay on disk. For tests.";
}
