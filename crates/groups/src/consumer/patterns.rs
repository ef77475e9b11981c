//! Subscriptions by pattern: which topics a group's patterns stand for. Patterns are looked up
//! where they are first heard of, and again when there are new topics, but not more often than
//! every 10 seconds.

use std::sync::Arc;

use super::draft::{Draft, Scene};
use super::member::Member;
use super::record::{Record, Resolved};
use crate::modern::{Refusal, pattern};
use crate::name::Name;

/// Between two looks at all topics, in milliseconds; Kafka's `REGEX_BATCH_REFRESH_MIN_INTERVAL_MS`.
const REFRESH_INTERVAL_MIN_MS: i64 = 10_000;

/// Follows a change of a member's pattern from `before` to what the draft has. Returns whether
/// the topics that the member is subscribed to may have changed by it.
pub(crate) fn follow(
    draft: &mut Draft,
    scene: Scene<'_>,
    before: &Member,
) -> Result<bool, Refusal> {
    let old = &before.said.pattern;
    let new = draft.member(&before.id).said.pattern.clone();
    if *old == new {
        return Ok(false);
    }
    forget_unused(draft, old);
    if !new.is_empty() && draft.group.resolved(&new).is_none() {
        pattern::compile(&new)?;
        resolve(draft, scene, &new);
    }
    Ok(true)
}

/// Takes away what a pattern stood for that nobody subscribes to any more.
pub(crate) fn forget_unused(draft: &mut Draft, pattern: &Name) {
    let is_unused = draft.group.subscribers_of_pattern(pattern) == 0;
    if is_unused && draft.group.resolved(pattern).is_some() {
        draft.push(Record::Pattern(pattern.clone(), None));
    }
}

/// Looks all patterns up again if they may stand for other topics now. Returns whether they do.
pub(crate) fn refresh(draft: &mut Draft, scene: Scene<'_>) -> bool {
    let mut last_ms = i64::MIN;
    let mut is_old = false;
    for (_, resolved) in draft.group.resolved_patterns() {
        last_ms = last_ms.max(resolved.at_ms);
        is_old |= resolved.version < scene.topics_version;
    }
    let age_ms = scene.now_ms.saturating_sub(last_ms);
    is_old |= age_ms > scene.settings.regex_refresh_interval_ms;
    let patterns: Vec<Name> = draft.group.patterns().cloned().collect();
    is_old |= patterns.iter().any(|pattern| draft.group.resolved(pattern).is_none());
    if !is_old || age_ms <= REFRESH_INTERVAL_MIN_MS {
        return false;
    }
    let mut changed = false;
    for pattern in patterns {
        changed |= resolve(draft, scene, &pattern);
    }
    changed
}

fn resolve(draft: &mut Draft, scene: Scene<'_>, pattern: &Name) -> bool {
    let topics = pattern::matching(scene.image, pattern);
    let changed = draft.group.resolved(pattern).is_none_or(|old| old.topics != topics);
    let resolved = Resolved { topics, version: scene.topics_version, at_ms: scene.now_ms };
    draft.push(Record::Pattern(pattern.clone(), Some(Arc::new(resolved))));
    changed
}
