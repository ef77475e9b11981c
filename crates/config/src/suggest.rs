//! The known name that looks most like a misspelt one.

use crate::key::{Key, Scope};
use crate::keys;

/// The name of a scope that was meant: the one that says the same in another scope
/// (`log.retention.ms` of a broker, `retention.ms` of a topic), or else the nearest, if at most a
/// third of it differs.
#[must_use]
pub fn nearest(scope: Scope, name: &str) -> Option<&'static str> {
    counterpart(scope, name).or_else(|| nearest_spelling(scope, name))
}

fn counterpart(scope: Scope, name: &str) -> Option<&'static str> {
    let supplies = |key: &&Key| key.synonyms.iter().any(|synonym| synonym.name == name);
    match scope {
        Scope::Broker => {
            let others = [Scope::Topic, Scope::Group];
            let key = others.into_iter().find_map(|scope| keys::find(scope, name))?;
            key.synonyms.first().map(|synonym| synonym.name)
        }
        scope => keys::all(scope).find(supplies).map(|key| key.name),
    }
}

fn nearest_spelling(scope: Scope, name: &str) -> Option<&'static str> {
    let near = |known: &'static str| {
        let distance = distance(name, known);
        (distance * 3 <= known.len()).then_some((distance, known))
    };
    // A name far longer than any key is not compared, so that the work stays bounded.
    let names = keys::all(scope).filter(|key| name.len() <= 2 * key.name.len());
    names.filter_map(|key| near(key.name)).min().map(|(_, known)| known)
}

/// How many letters must be inserted, deleted, replaced or swapped with their neighbour to make
/// one word of the other (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replace = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replace.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
