//! Every planted bug is seen, by an invariant that it breaks.

use klamm_planted::plant;
use klamm_sim::{Options, run};

/// How many seeds a bug may take to be seen.
const SEEDS: u64 = 150;

/// Plants a bug and runs seeds until one of these invariants is violated; nothing else may be.
fn check(bug: &'static str, invariants: &[&str]) {
    plant(Some(bug));
    let seen = (0..SEEDS).find_map(|seed| {
        let first = run(seed, &Options::default()).violations.into_iter().next()?;
        Some((seed, first))
    });
    plant(None);
    assert!(seen.is_some(), "{bug} is not seen in {SEEDS} seeds");
    let (seed, violation) = seen.expect("asserted above");
    assert!(invariants.contains(&violation.invariant.id), "{bug}: seed {seed}: {violation}");
}

#[test]
fn the_last_segment_is_not_recovered() {
    check(
        "skip-last-segment-recovery",
        &[
            "serves-again",
            "others-serve",
            "nothing-invented",
            "gapless",
            "same-bytes",
            "acked-survive",
        ],
    );
}

#[test]
fn the_producer_snapshot_is_forgotten() {
    check("forget-producer-snapshot", &["no-duplicates", "committed-only", "committed-whole"]);
}

#[test]
fn the_answer_comes_before_the_append() {
    check(
        "answer-before-append",
        &[
            "offsets-once",
            "same-bytes",
            "acked-survive",
            "append-above-high-watermark",
            "last-value-survives",
        ],
    );
}

#[test]
fn the_answer_comes_before_the_sync() {
    check(
        "answer-before-sync",
        &[
            "high-watermark-advances",
            "acked-survive",
            "same-bytes",
            "offsets-once",
            "commits-survive",
            "generations-advance",
            "committed-whole",
            "committed-only",
            "transaction-fenced",
            "one-consumer",
            "serves-again",
        ],
    );
}

#[test]
fn the_record_of_a_group_is_lost() {
    check("lose-group-record", &["generations-advance", "one-owner"]);
}

#[test]
fn what_a_consumer_has_is_not_written() {
    check("lose-current-assignment", &["one-consumer"]);
}

#[test]
fn a_consumer_is_believed_to_have_given_up_at_once() {
    check("believe-revoked", &["one-consumer"]);
}

#[test]
fn a_member_of_a_streams_group_is_believed_to_have_given_up_at_once() {
    check("believe-tasks-revoked", &["one-consumer"]);
}

#[test]
fn the_record_of_a_commit_is_lost() {
    check("lose-commit-record", &["commits-survive"]);
}

#[test]
fn a_torn_tail_is_kept() {
    check("keep-torn-tail", &["nothing-invented", "serves-again", "gapless"]);
}

#[test]
fn an_offset_is_given_out_twice_after_a_restart() {
    check(
        "offset-twice-after-restart",
        &[
            "high-watermark-advances",
            "offsets-once",
            "same-bytes",
            "append-above-high-watermark",
            "nothing-above-high-watermark",
        ],
    );
}

#[test]
fn duplicates_are_not_looked_for() {
    check("ignore-duplicates", &["no-duplicates"]);
}

#[test]
fn the_high_watermark_is_ahead_of_the_append() {
    check(
        "high-watermark-before-append",
        &["high-watermark-advances", "nothing-above-high-watermark", "append-above-high-watermark"],
    );
}

#[test]
fn a_session_ignores_a_partition() {
    check("session-ignores-partition", &["serves-again"]);
}

#[test]
fn names_are_not_synced() {
    check(
        "names-not-synced",
        &[
            "log-start-advances",
            "high-watermark-advances",
            "acked-survive",
            "same-bytes",
            "offsets-once",
            "commits-survive",
            "generations-advance",
        ],
    );
}

#[test]
fn an_old_reader_is_given_a_wrong_offset() {
    check("converted-offset-zero", &["gapless", "same-bytes", "nothing-above-high-watermark"]);
}

#[test]
fn the_former_id_of_a_static_member_is_accepted() {
    check("old-static-id-lives", &["fenced"]);
}

#[test]
fn a_topic_takes_up_the_logs_of_a_former_one() {
    check(
        "take-up-former-log",
        &["recreated-is-new", "log-start-advances", "gapless", "nothing-above-high-watermark"],
    );
}

#[test]
fn compaction_drops_last_values() {
    check("cleaner-drops-last-values", &["last-value-survives", "commits-survive"]);
}

#[test]
fn compaction_drops_tombstones() {
    check("cleaner-drops-tombstones", &["tombstones-stay", "no-earlier-value"]);
}

#[test]
fn a_compacted_segment_is_not_synced() {
    check(
        "cleaned-not-synced",
        &[
            "last-value-survives",
            "commits-survive",
            "committed-whole",
            "serves-again",
            "others-serve",
        ],
    );
}

#[test]
fn offsets_of_a_deleted_topic_are_kept() {
    check("keep-offsets-of-deleted-topic", &["commits-survive"]);
}

#[test]
fn an_aborted_transaction_is_marked_as_committed() {
    check("abort-as-commit", &["committed-only", "committed-whole"]);
}

#[test]
fn aborted_transactions_are_not_indexed() {
    check("aborted-not-indexed", &["committed-only", "committed-whole"]);
}

#[test]
fn readers_of_what_is_committed_are_given_what_is_open() {
    check("everything-is-stable", &["committed-only", "committed-whole"]);
}

#[test]
fn what_was_done_with_shared_records_is_not_written() {
    check("lose-share-update", &["accepted-stays-accepted"]);
}

#[test]
fn shared_records_are_taken_back_too_early() {
    // Who got a record too early may hear of it when another has accepted it.
    check("share-lock-ends-early", &["one-holder", "accepted-stays-accepted"]);
}

#[test]
fn shared_records_that_came_back_are_forgotten() {
    check("share-forgets-available", &["share-none-lost"]);
}

#[test]
fn the_record_of_a_transaction_is_lost() {
    check(
        "lose-transaction-record",
        &["transaction-fenced", "committed-whole", "committed-only", "serves-again"],
    );
}

#[test]
fn a_restriction_of_producing_stays() {
    check("restriction-stays", &["serves-again"]);
}

#[test]
fn compacted_topics_are_deleted_from() {
    check(
        "deletes-compacted",
        &["last-value-survives", "tombstones-stay", "serves-again", "no-earlier-value"],
    );
}

#[test]
fn the_tail_of_a_replica_that_moves_is_lost() {
    check(
        "moved-tail-lost",
        &[
            "acked-survive",
            "serves-again",
            "others-serve",
            "gapless",
            "nothing-invented",
            "same-bytes",
            "offsets-once",
            "high-watermark-advances",
            "nothing-above-high-watermark",
            "append-above-high-watermark",
        ],
    );
}

#[test]
fn a_start_waits_for_room() {
    check("full-start-waits", &["start-says-why"]);
}

#[test]
fn a_generation_is_not_a_new_one() {
    check("generation-stays", &["one-owner"]);
}

#[test]
fn a_producer_is_not_fenced_after_a_restart() {
    check("unfenced-after-restart", &["transaction-fenced", "committed-whole", "committed-only"]);
}

#[test]
fn compaction_drops_what_an_open_transaction_wrote() {
    check("cleaner-drops-open-transactions", &["committed-whole"]);
}

#[test]
fn offsets_expire_although_the_group_has_members() {
    check("offsets-expire-with-members", &["commits-survive"]);
}

#[test]
fn internal_topics_are_deleted_from() {
    check("deletes-internal", &["watermarks-spare"]);
}

#[test]
fn the_segment_that_is_written_is_deleted_from() {
    check("deletes-active", &["watermarks-spare", "share-none-lost"]);
}

#[test]
fn quotas_are_forgotten_at_a_start() {
    check("quota-forgotten-after-restart", &["quota-bounds"]);
}

#[test]
fn a_connection_is_held_back_for_ever() {
    check("mute-never-ends", &["quota-only-delays", "serves-again"]);
}

#[test]
fn nobody_is_held_back() {
    check("never-muted", &["mute-holds", "quota-bounds"]);
}

#[test]
fn the_quota_of_a_client_is_not_seen() {
    check("client-quota-ignored", &["quota-bounds", "throttle-has-reason"]);
}

#[test]
fn the_time_of_requests_is_not_counted() {
    check("requests-free", &["quota-bounds"]);
}

#[test]
fn what_is_left_of_a_move_stays() {
    check("unfinished-move-stays", &["one-directory"]);
}

#[test]
fn the_former_directory_of_a_replica_stays() {
    check("moved-twin-stays", &["one-directory", "acked-survive", "high-watermark-advances"]);
}

#[test]
fn what_is_refused_while_a_volume_is_full_is_written() {
    check("restricted-writes", &["refused-not-written"]);
}

#[test]
fn offsets_expire_before_their_time() {
    check("offsets-expire-at-once", &["commits-survive"]);
}

#[test]
fn where_a_log_begins_is_forgotten() {
    check("log-start-not-checkpointed", &["log-start-advances"]);
}

#[test]
fn a_transaction_is_ended_before_that_is_durable() {
    check(
        "marker-before-decision",
        &["transaction-fenced", "committed-whole", "committed-only", "serves-again"],
    );
}

#[test]
fn metadata_are_not_synced() {
    check(
        "metadata-not-synced",
        &[
            "topics-survive",
            "configs-survive",
            "quotas-survive",
            "serves-again",
            "recreated-is-new",
        ],
    );
}
