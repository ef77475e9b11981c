//! What is to be done about a log directory whose volume fills, by how full it is.
//!
//! Invariants:
//! - Without a policy nothing is refused and nothing deleted.
//! - A restriction begins at one threshold and ends below another, so that it does not flap.
//! - Each change is told once, as an [`Event`].

/// How much of a volume is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Size of the volume, bytes.
    pub total: u64,
    /// What is taken, bytes.
    pub used: u64,
}

impl Usage {
    /// So many percent of the volume, bytes.
    fn percent_of(self, percent: u32) -> u64 {
        let bytes = u128::from(self.total) * u128::from(percent) / 100;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    fn has_reached(self, percent: u32) -> bool {
        self.total > 0 && self.used >= self.percent_of(percent)
    }

    /// How much is used, whole percent; 0 of a volume without a size.
    pub fn percent(self) -> u32 {
        let percent = u128::from(self.used) * 100 / u128::from(self.total.max(1));
        u32::try_from(percent).unwrap_or(u32::MAX)
    }
}

/// What is done when a threshold is reached (`klamm.disk.policy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// Nothing, as in Kafka.
    #[default]
    None,
    /// Producing is refused.
    Restrict,
    /// A share of the oldest data goes, over all logs of the directory.
    DeleteOldest,
    /// What is above the threshold goes, from each log in proportion to its size.
    DeleteProportional,
    /// Retention runs at once, then the oldest data go, then producing is refused.
    Staged,
}

/// A policy with its thresholds. Percentages are of the volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// What is done.
    pub method: Method,
    /// From here on retention runs at every look (`klamm.disk.expire.percent`).
    pub expire_percent: u32,
    /// From here on data are deleted (`klamm.disk.delete.percent`).
    pub delete_percent: u32,
    /// From here on producing is refused (`klamm.disk.restrict.percent`).
    pub restrict_percent: u32,
    /// Below this it is allowed again (`klamm.disk.resume.percent`).
    pub resume_percent: u32,
    /// What part of its logs a directory loses at a time, percent (`klamm.disk.delete.share.percent`).
    pub share_percent: u32,
    /// Records younger than this stay, milliseconds (`klamm.disk.delete.min.age.ms`).
    pub min_age_ms: i64,
    /// This much of a log stays, bytes (`klamm.disk.delete.min.bytes`).
    pub min_bytes: u64,
}

/// How much is to be deleted, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// So many percent of what the logs have, the oldest of all first.
    OldestShare(u32),
    /// So many bytes, the oldest of all first.
    Oldest(u64),
    /// So many bytes, from each log its part.
    Proportional(u64),
}

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Retention runs at every look from now on.
    ExpiryBegan,
    /// The volume is below that threshold again.
    ExpiryEnded,
    /// Data are deleted from now on.
    DeletionBegan,
    /// The volume is below that threshold again.
    DeletionEnded,
    /// Data were to be deleted and there are none that may be.
    NothingToDelete,
    /// Producing is refused from now on.
    Restricted,
    /// Producing is allowed again.
    Resumed,
}

impl Event {
    /// Its name in the log of events.
    pub fn name(self) -> &'static str {
        match self {
            Self::ExpiryBegan => "disk.expiry.began",
            Self::ExpiryEnded => "disk.expiry.ended",
            Self::DeletionBegan => "disk.deletion.began",
            Self::DeletionEnded => "disk.deletion.ended",
            Self::NothingToDelete => "disk.deletion.exhausted",
            Self::Restricted => "disk.produce.restricted",
            Self::Resumed => "disk.produce.resumed",
        }
    }
}

/// What a look at a directory comes to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Look {
    /// What changed since the last.
    pub events: Vec<Event>,
    /// Whether producing is refused.
    pub is_restricted: bool,
    /// Whether retention is to run now.
    pub expire: bool,
    /// What is to be deleted, if anything.
    pub need: Option<Need>,
}

/// Where one log directory stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watermark {
    is_restricted: bool,
    is_expiring: bool,
    is_deleting: bool,
    is_exhausted: bool,
}

impl Watermark {
    /// Whether producing is refused.
    pub fn is_restricted(&self) -> bool {
        self.is_restricted
    }

    /// Whether anything is under way that has to end.
    pub fn is_active(&self) -> bool {
        self.is_restricted || self.is_expiring || self.is_deleting
    }

    /// Looks at how full the directory is.
    pub fn look(&mut self, policy: &Policy, usage: Usage) -> Look {
        use Event::*;
        let mut events = Vec::new();
        let mut turn = |now: &mut bool, on: bool, began: Event, ended: Event| {
            if *now != on {
                *now = on;
                events.push(if on { began } else { ended });
            }
        };
        let expires = policy.method == Method::Staged && usage.has_reached(policy.expire_percent);
        turn(&mut self.is_expiring, expires, ExpiryBegan, ExpiryEnded);
        let need = need(policy, usage);
        turn(&mut self.is_deleting, need.is_some(), DeletionBegan, DeletionEnded);
        let bound =
            if self.is_restricted { policy.resume_percent } else { policy.restrict_percent };
        let restricts =
            matches!(policy.method, Method::Restrict | Method::Staged) && usage.has_reached(bound);
        turn(&mut self.is_restricted, restricts, Restricted, Resumed);
        self.is_exhausted &= self.is_deleting;
        Look { events, is_restricted: restricts, expire: expires, need }
    }

    /// Notes whether something could be deleted when it was to be.
    pub fn chosen(&mut self, anything: bool) -> Option<Event> {
        let is_new = !anything && !self.is_exhausted;
        self.is_exhausted = !anything;
        is_new.then_some(Event::NothingToDelete)
    }
}

/// What is to be deleted of a directory that is so full.
fn need(policy: &Policy, usage: Usage) -> Option<Need> {
    if !usage.has_reached(policy.delete_percent) {
        return None;
    }
    // One byte less than the threshold is below it.
    let above = usage.used - usage.percent_of(policy.delete_percent) + 1;
    match policy.method {
        Method::None | Method::Restrict => None,
        Method::DeleteOldest => Some(Need::OldestShare(policy.share_percent)),
        Method::DeleteProportional => Some(Need::Proportional(above)),
        Method::Staged => Some(Need::Oldest(above)),
    }
}
