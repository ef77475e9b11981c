//! What a client reported against what is listed: a listed failure is fine, anything else unusual is not.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::client::{Outcome, Run};
use super::suite::{Client, INSTALL, Suite};

/// A check and why it failed.
type Reason = (String, String);

/// The count of each kind, with the reason for all but the passed ones.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Passed as expected.
    pub(super) passed: usize,
    /// Could not run here.
    pub(super) skipped: usize,
    /// Failed as listed.
    pub(super) denied: Vec<Reason>,
    /// Failed unlisted, passed although listed, or unknown.
    pub(super) wrong: Vec<Reason>,
}

/// Judges every outcome of a client.
pub(super) fn judge(suite: &Suite, client: &Client, run: &Run, against: &str) -> Verdict {
    let mut verdict = Verdict::default();
    for (check, outcome) in &run.outcomes {
        let reason = suite.denied(client, check, against);
        let known = check == INSTALL || suite.checks(client).contains(check);
        let because = |reason: &str| (check.clone(), reason.to_owned());
        match (outcome, reason) {
            _ if !known => verdict.wrong.push(because("clients.toml does not list this check")),
            (Outcome::Ok, None) => verdict.passed += 1,
            (Outcome::Skipped, _) => verdict.skipped += 1,
            (Outcome::Failed(_), Some(reason)) => verdict.denied.push(because(reason)),
            (Outcome::Ok, Some(_)) => verdict.wrong.push(because("passed, but deny.toml lists it")),
            (Outcome::Failed(reason), None) => verdict.wrong.push(because(reason)),
        }
    }
    verdict
}

impl Verdict {
    /// Adds another client's verdict.
    pub(super) fn add(&mut self, other: &Verdict) {
        self.passed += other.passed;
        self.skipped += other.skipped;
        self.denied.extend_from_slice(&other.denied);
        self.wrong.extend_from_slice(&other.wrong);
    }

    /// One line of counts and one for each reason why checks did not simply pass.
    pub(super) fn table(&self, client: &str, seconds: f64) -> String {
        let mut text = String::new();
        let (passed, denied, skipped, wrong) =
            (self.passed, self.denied.len(), self.skipped, self.wrong.len());
        let counts = format!(
            "{passed:3} ok {denied:3} denied {skipped:3} skipped {wrong:3} wrong {seconds:6.1} s"
        );
        // Writing to a string does not fail.
        writeln!(text, "{client:<24}{counts}").ok();
        for (kind, reasons) in [("denied", &self.denied), ("WRONG ", &self.wrong)] {
            for (reason, checks) in by_reason(reasons) {
                writeln!(text, "    {kind}  {}: {reason}", checks.join(", ")).ok();
            }
        }
        text
    }
}

/// The checks that share a reason.
fn by_reason(reasons: &[Reason]) -> BTreeMap<&str, Vec<&str>> {
    let mut checks: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (check, reason) in reasons {
        checks.entry(reason).or_default().push(check);
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(outcomes: &[(&str, Outcome)]) -> String {
        let clients = "checks = ['a', 'b']\n[[client]]\nname = 'c'\nfolder = 'c'\nrun = 'true'\n";
        let deny = "[[deny]]\nclient = 'c'\nchecks = ['b']\nreason = 'old'\nagainst = 'klamm'\n";
        let suite = Suite::parse(clients, deny).unwrap();
        let client = suite.select(&[]).unwrap()[0];
        let mut run = Run::default();
        run.outcomes
            .extend(outcomes.iter().map(|(check, outcome)| ((*check).to_owned(), outcome.clone())));
        let verdict = judge(&suite, client, &run, "klamm");
        format!("{} {} {:?} {:?}", verdict.passed, verdict.skipped, verdict.denied, verdict.wrong)
    }

    #[test]
    fn only_what_is_listed_may_fail_and_must() {
        let failed = || Outcome::Failed("why".to_owned());
        assert_eq!(check(&[("a", Outcome::Ok), ("b", failed())]), r#"1 0 [("b", "old")] []"#);
        assert_eq!(check(&[("a", failed())]), r#"0 0 [] [("a", "why")]"#);
        assert_eq!(
            check(&[("b", Outcome::Ok)]),
            r#"0 0 [] [("b", "passed, but deny.toml lists it")]"#
        );
        assert_eq!(check(&[("a", Outcome::Skipped)]), "0 1 [] []");
        assert_eq!(
            check(&[("z", Outcome::Ok)]),
            r#"0 0 [] [("z", "clients.toml does not list this check")]"#
        );
    }
}
