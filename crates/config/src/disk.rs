//! What becomes of log directories: when they fill, and when replicas move between them.

use crate::effective::Effective;

/// What is done when the volume of a log directory fills (`klamm.disk.policy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskPolicy {
    /// Nothing.
    None,
    /// Producing is refused.
    Restrict,
    /// The oldest share of the data is deleted.
    DeleteOldest,
    /// Each partition loses in proportion to its size.
    DeleteProportional,
    /// Retention, then deletion of the oldest, then refusal.
    Staged,
}

/// The log directories. Percentages are of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskSettings {
    /// `klamm.disk.policy`.
    pub policy: DiskPolicy,
    /// `klamm.disk.check.interval.ms`.
    pub check_interval_ms: i64,
    /// `klamm.disk.expire.percent`.
    pub expire_percent: u32,
    /// `klamm.disk.delete.percent`.
    pub delete_percent: u32,
    /// `klamm.disk.restrict.percent`.
    pub restrict_percent: u32,
    /// `klamm.disk.resume.percent`.
    pub resume_percent: u32,
    /// `klamm.disk.delete.share.percent`.
    pub delete_share_percent: u32,
    /// `klamm.disk.delete.min.age.ms`.
    pub delete_min_age_ms: i64,
    /// `klamm.disk.delete.min.bytes`.
    pub delete_min_bytes: u64,
    /// `cordoned.log.dirs`; `*` for all.
    pub cordoned: Vec<String>,
    /// `replica.alter.log.dirs.io.max.bytes.per.second`.
    pub move_bytes_per_second: i64,
    /// `num.replica.alter.log.dirs.threads`; none is one per directory.
    pub move_threads: Option<usize>,
}

impl DiskSettings {
    pub(crate) fn of(of: &Effective) -> Self {
        let percent = |name: &str| u32::try_from(of.int(name)).unwrap_or(0);
        let threads = of.get("num.replica.alter.log.dirs.threads");
        let threads = threads.and_then(|value| value.as_integer());
        Self {
            policy: policy(of),
            check_interval_ms: of.long("klamm.disk.check.interval.ms"),
            expire_percent: percent("klamm.disk.expire.percent"),
            delete_percent: percent("klamm.disk.delete.percent"),
            restrict_percent: percent("klamm.disk.restrict.percent"),
            resume_percent: percent("klamm.disk.resume.percent"),
            delete_share_percent: percent("klamm.disk.delete.share.percent"),
            delete_min_age_ms: of.long("klamm.disk.delete.min.age.ms"),
            delete_min_bytes: u64::try_from(of.long("klamm.disk.delete.min.bytes")).unwrap_or(0),
            cordoned: of.list("cordoned.log.dirs").unwrap_or_default().to_vec(),
            move_bytes_per_second: move_bytes(of),
            move_threads: threads.and_then(|threads| usize::try_from(threads).ok()),
        }
    }
}

/// A key that exists at run time only, so that it is not among the values.
fn move_bytes(of: &Effective) -> i64 {
    let set = of.originals().get("replica.alter.log.dirs.io.max.bytes.per.second");
    set.and_then(|text| text.trim().parse().ok()).unwrap_or(i64::MAX)
}

fn policy(of: &Effective) -> DiskPolicy {
    match of.text("klamm.disk.policy") {
        Some("restrict") => DiskPolicy::Restrict,
        Some("delete-oldest") => DiskPolicy::DeleteOldest,
        Some("delete-proportional") => DiskPolicy::DeleteProportional,
        Some("staged") => DiskPolicy::Staged,
        _ => DiskPolicy::None,
    }
}
