//! Places in a log as users write them: `beginning`, `end`, `N`, `-N`, `@TIME`.

use std::{
    str::FromStr,
    time::{Duration, UNIX_EPOCH},
};

use klamm_client::OffsetSpec;

/// A place in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The first record.
    Beginning,
    /// After the last record.
    End,
    /// The record of this offset.
    At(i64),
    /// So many records before the end.
    BeforeEnd(i64),
    /// The first record that is as late as this, in milliseconds since 1970.
    Time(i64),
    /// The first record that is not older than this.
    Ago(Duration),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "beginning" | "earliest" => return Ok(Self::Beginning),
            "end" | "latest" => return Ok(Self::End),
            _ => {}
        }
        if let Some(time) = text.strip_prefix('@') {
            return parse_time(time);
        }
        match text.parse::<i64>() {
            Ok(offset) if offset >= 0 && !text.starts_with('-') => Ok(Self::At(offset)),
            Ok(offset) => Ok(Self::BeforeEnd(offset.saturating_neg())),
            Err(_) => Err(format!(
                "`{text}` is not beginning, end, an offset N, -N (N before the end) or @TIME"
            )),
        }
    }
}

/// Milliseconds since 1970, `2026-01-31`, `2026-01-31 12:00:00`, `2026-01-31T12:00:00Z`, or an
/// age such as `-15m`.
fn parse_time(text: &str) -> Result<Place, String> {
    if let Ok(ms) = text.parse::<i64>() {
        return match ms {
            0.. => Ok(Place::Time(ms)),
            _ => Err(format!("the time @{text} is before 1970")),
        };
    }
    if let Some(age) = text.strip_prefix('-') {
        let age = humantime::parse_duration(age);
        return age.map(Place::Ago).map_err(|error| format!("the age in @{text}: {error}"));
    }
    let midnight = format!("{text}T00:00:00Z");
    let time = humantime::parse_rfc3339_weak(text).or_else(|error| {
        // A day alone is meant from its beginning.
        humantime::parse_rfc3339(&midnight).map_err(|_| error)
    });
    let time = time.map_err(|_| {
        format!("the time @{text} is not milliseconds, 2026-01-31T12:00:00Z, or an age like -15m")
    })?;
    let since = time.duration_since(UNIX_EPOCH).map_err(|_| format!("@{text} is before 1970"))?;
    Ok(Place::Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
}

impl Place {
    /// What a broker is asked to find the place; none where it is known already.
    pub(crate) fn spec(self, now_ms: i64) -> Option<OffsetSpec> {
        match self {
            Self::Beginning => Some(OffsetSpec::Earliest),
            Self::End | Self::BeforeEnd(_) => Some(OffsetSpec::Latest),
            Self::Time(ms) => Some(OffsetSpec::AtTime(ms)),
            Self::Ago(age) => {
                let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
                Some(OffsetSpec::AtTime(now_ms.saturating_sub(age)))
            }
            Self::At(_) => None,
        }
    }

    /// The offset, within what the log has from `start` to `end`; `found` is what the broker
    /// answered, none where no record is that late.
    pub(crate) fn resolve(self, found: Option<i64>, start: i64, end: i64) -> i64 {
        let offset = match self {
            Self::At(offset) => offset,
            Self::BeforeEnd(count) => end.saturating_sub(count),
            Self::Beginning => found.unwrap_or(start),
            Self::End | Self::Time(_) | Self::Ago(_) => found.unwrap_or(end),
        };
        offset.clamp(start, end.max(start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        let check = |text: &str, place: Place| assert_eq!(text.parse(), Ok(place), "{text}");
        check("beginning", Place::Beginning);
        check("latest", Place::End);
        check("0", Place::At(0));
        check("42", Place::At(42));
        check("-10", Place::BeforeEnd(10));
        check("-0", Place::BeforeEnd(0));
        check("@1700000000000", Place::Time(1_700_000_000_000));
        check("@2023-11-14T22:13:20Z", Place::Time(1_700_000_000_000));
        check("@2023-11-14 22:13:20", Place::Time(1_700_000_000_000));
        check("@2023-11-14", Place::Time(1_699_920_000_000));
        check("@-90s", Place::Ago(Duration::from_secs(90)));
        for text in ["", "soon", "@", "@soon", "1.5", "@-", "@-5", "--5", "@1969-01-01"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }

    #[test]
    fn places_stay_within_the_log() {
        let check = |text: &str, found: Option<i64>, offset: i64| {
            let place: Place = text.parse().unwrap();
            assert_eq!(place.resolve(found, 5, 20), offset, "{text}");
        };
        check("beginning", Some(5), 5);
        check("end", Some(20), 20);
        check("3", None, 5);
        check("30", None, 20);
        check("-4", Some(20), 16);
        check("-100", Some(20), 5);
        check("@7", Some(9), 9);
        check("@7", None, 20);
    }
}
