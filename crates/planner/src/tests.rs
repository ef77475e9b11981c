//! Watermarks: when what happens, and which segments go.

use crate::*;

/// `none`, `restrict`, ... with the thresholds 75, 85, 95 and 90.
fn policy(method: Method) -> Policy {
    Policy {
        method,
        expire_percent: 75,
        delete_percent: 85,
        restrict_percent: 95,
        resume_percent: 90,
        share_percent: 10,
        min_age_ms: 0,
        min_bytes: 0,
    }
}

/// Looks at a directory that is so full, time after time; what comes of it.
fn check_looks(method: Method, percents: &[u64], expected: &str) {
    let mut watermark = Watermark::default();
    let mut seen = Vec::new();
    for used in percents {
        let look = watermark.look(&policy(method), Usage { total: 1000, used: used * 10 });
        let mut words: Vec<String> = look.events.iter().map(|event| format!("{event:?}")).collect();
        words.extend(look.need.map(|need| format!("{need:?}")));
        words.extend(look.expire.then(|| "expire".to_owned()));
        words.extend(look.is_restricted.then(|| "refuse".to_owned()));
        seen.push(format!("{used}: {}", words.join(" ")).trim().to_owned());
    }
    assert_eq!(seen.join("; "), expected);
}

#[test]
fn without_a_policy_nothing_happens() {
    check_looks(Method::None, &[50, 100], "50:; 100:");
}

#[test]
fn a_restriction_ends_below_where_it_began() {
    check_looks(
        Method::Restrict,
        &[94, 95, 94, 90, 89, 94],
        "94:; 95: Restricted refuse; 94: refuse; 90: refuse; 89: Resumed; 94:",
    );
}

#[test]
fn stages_follow_each_other() {
    check_looks(
        Method::Staged,
        &[74, 76, 86, 96, 74],
        "74:; 76: ExpiryBegan expire; 86: DeletionBegan Oldest(11) expire; \
         96: Restricted Oldest(111) expire refuse; 74: ExpiryEnded DeletionEnded Resumed",
    );
}

#[test]
fn a_share_or_what_is_above_goes() {
    let oldest = "84:; 85: DeletionBegan OldestShare(10); 99: OldestShare(10); 80: DeletionEnded";
    check_looks(Method::DeleteOldest, &[84, 85, 99, 80], oldest);
    let above = "84:; 85: DeletionBegan Proportional(1); 99: Proportional(141); 80: DeletionEnded";
    check_looks(Method::DeleteProportional, &[84, 85, 99, 80], above);
}

#[test]
fn that_nothing_is_left_is_told_once() {
    let mut watermark = Watermark::default();
    let full = Usage { total: 100, used: 99 };
    watermark.look(&policy(Method::DeleteOldest), full);
    assert_eq!(watermark.chosen(false), Some(Event::NothingToDelete));
    watermark.look(&policy(Method::DeleteOldest), full);
    assert_eq!(watermark.chosen(false), None);
    assert_eq!(watermark.chosen(true), None);
    assert_eq!(watermark.chosen(false), Some(Event::NothingToDelete));
}

/// Logs as `NAME: BYTES@NEWEST, ...` with the last segment active, one per line; what goes as
/// `NAME<OFFSET`. Every segment has ten offsets.
fn check_chosen(logs: &str, need: Need, floors: (i64, u64), expected: &str) {
    let (min_age_ms, min_bytes) = floors;
    let policy = Policy { min_age_ms, min_bytes, ..policy(Method::DeleteOldest) };
    let logs: Vec<LogView<&str>> = logs.lines().map(|line| log(line.trim())).collect();
    let chosen = choose(&logs, need, &policy, 1000);
    let text: Vec<String> = chosen.iter().map(|d| format!("{}<{}", d.name, d.before)).collect();
    assert_eq!(text.join(" "), expected);
}

fn log(line: &str) -> LogView<&str> {
    let (name, segments) = line.split_once(": ").unwrap();
    let numbers = |text: &str| {
        let (bytes, newest) = text.split_once('@').unwrap();
        (bytes.parse::<u64>().unwrap(), newest.parse::<i64>().unwrap())
    };
    let segments: Vec<(u64, i64)> = segments.split(", ").map(numbers).collect();
    let bytes = segments.iter().map(|(bytes, _)| bytes).sum();
    let closed = segments.split_last().map_or(&[][..], |(_, closed)| closed).iter();
    let view = |(at, (bytes, newest_ms)): (usize, &(u64, i64))| SegmentView {
        next_offset: 10 * (at as i64 + 1),
        bytes: *bytes,
        newest_ms: *newest_ms,
    };
    LogView { name, bytes, closed: closed.enumerate().map(view).collect() }
}

#[test]
fn the_oldest_of_all_logs_go_first() {
    let logs = "a: 10@5, 10@20, 10@30\nb: 10@1, 10@10, 10@40";
    check_chosen(logs, Need::Oldest(1), (0, 0), "b<10");
    check_chosen(logs, Need::Oldest(11), (0, 0), "a<10 b<10");
    check_chosen(logs, Need::Oldest(21), (0, 0), "a<10 b<20");
    check_chosen(logs, Need::OldestShare(10), (0, 0), "b<10");
    check_chosen(logs, Need::OldestShare(50), (0, 0), "a<10 b<20");
    check_chosen(logs, Need::Oldest(1000), (0, 0), "a<20 b<20");
}

#[test]
fn a_log_goes_from_its_front_whatever_its_times() {
    check_chosen("a: 10@90, 10@1, 10@95\nb: 10@50, 10@99", Need::Oldest(20), (0, 0), "a<10 b<10");
}

#[test]
fn logs_lose_in_proportion_to_their_size() {
    let logs = "a: 30@1, 30@2, 30@3, 30@4, 30@5, 30@6, 30@7, 30@8, 30@9, 30@10\n\
                b: 10@1, 10@2, 10@3, 10@4, 10@5, 10@6, 10@7, 10@8, 10@9, 10@10";
    check_chosen(logs, Need::Proportional(40), (0, 0), "a<10 b<10");
    check_chosen(logs, Need::Proportional(120), (0, 0), "a<30 b<30");
    check_chosen(logs, Need::Proportional(1), (0, 0), "a<10");
    check_chosen(logs, Need::Proportional(40_000), (0, 0), "a<90 b<90");
}

#[test]
fn many_logs_lose_together_what_is_needed() {
    let logs = "a: 10@1, 10@2\nb: 10@1, 10@2\nc: 10@1, 10@2\nd: 10@1, 10@2";
    check_chosen(logs, Need::Proportional(20), (0, 0), "a<10 c<10");
}

#[test]
fn floors_are_kept() {
    let logs = "a: 10@100, 10@600, 10@900, 10@990";
    check_chosen(logs, Need::Oldest(1000), (300, 0), "a<20");
    check_chosen(logs, Need::Oldest(1000), (901, 0), "");
    check_chosen(logs, Need::Oldest(1000), (0, 30), "a<10");
    check_chosen(logs, Need::Proportional(1000), (0, 40), "");
}

#[test]
fn the_active_segment_stays() {
    check_chosen("a: 10@1", Need::Oldest(1000), (0, 0), "");
}
