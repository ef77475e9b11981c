//! Ranges of message versions: `3`, `0-4`, `2+` or `none`.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result, bail};

/// An inclusive range; empty if `min > max`. Open ranges end at [`Versions::OPEN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) min: i16,
    pub(crate) max: i16,
}

impl Versions {
    pub(crate) const OPEN: i16 = i16::MAX;
    pub(crate) const NONE: Self = Self { min: 0, max: -1 };

    pub(crate) fn is_empty(self) -> bool {
        self.min > self.max
    }

    pub(crate) fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }

    pub(crate) fn intersect(self, other: Self) -> Self {
        let both = Self { min: self.min.max(other.min), max: self.max.min(other.max) };
        if both.is_empty() { Self::NONE } else { both }
    }

    /// Whether every version of `other` is in `self`.
    pub(crate) fn covers(self, other: Self) -> bool {
        self.intersect(other) == other
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = i16> {
        self.min..=self.max
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            _ if self.is_empty() => write!(f, "none"),
            (min, Self::OPEN) => write!(f, "{min}+"),
            (min, max) if min == max => write!(f, "{min}"),
            (min, max) => write!(f, "{min}-{max}"),
        }
    }
}

impl FromStr for Versions {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |s: &str| s.parse::<i16>().with_context(|| format!("version range {text:?}"));
        let range = if text == "none" {
            Self::NONE
        } else if let Some(min) = text.strip_suffix('+') {
            Self { min: number(min)?, max: Self::OPEN }
        } else if let Some((min, max)) = text.split_once('-') {
            Self { min: number(min)?, max: number(max)? }
        } else {
            Self { min: number(text)?, max: number(text)? }
        };
        if range.is_empty() && text != "none" {
            bail!("version range {text:?} is empty");
        }
        Ok(range)
    }
}
