//! What the registry says about one configuration key, and the small language in which the
//! tables of `keys/` say it.

use std::fmt;

use crate::rule::Rule;

/// The type of a key's value, with the meaning that Kafka's `ConfigDef.Type` gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `true` or `false`, in any case.
    Boolean,
    /// Text; blanks around it are dropped.
    String,
    /// A 32-bit integer.
    Int,
    /// A 16-bit integer.
    Short,
    /// A 64-bit integer.
    Long,
    /// A floating-point number in Java's notation.
    Double,
    /// Texts separated by commas.
    List,
    /// The name of a Java class; Klamm keeps it as text.
    Class,
    /// Text that is never shown.
    Password,
}

impl Type {
    /// The type's code in DescribeConfigs responses.
    #[must_use]
    pub fn wire(self) -> i8 {
        match self {
            Self::Boolean => 1,
            Self::String => 2,
            Self::Int => 3,
            Self::Short => 4,
            Self::Long => 5,
            Self::Double => 6,
            Self::List => 7,
            Self::Class => 8,
            Self::Password => 9,
        }
    }

    /// Kafka's name of the type, as its error texts use it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }
}

/// What a key configures, which is also where it may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// A broker: its file, and at run time if [`Key::update`] allows it.
    Broker,
    /// A topic.
    Topic,
    /// A group of consumers.
    Group,
    /// A client-metrics subscription (KIP-714).
    ClientMetrics,
    /// A user, a client id, or both together.
    Client,
    /// A client address.
    Ip,
}

impl Scope {
    /// Every scope, in the order of `docs/config.md`.
    pub const ALL: [Self; 6] =
        [Self::Broker, Self::Topic, Self::Group, Self::ClientMetrics, Self::Client, Self::Ip];
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broker => "broker",
            Self::Topic => "topic",
            Self::Group => "group",
            Self::ClientMetrics => "client metrics",
            Self::Client => "client",
            Self::Ip => "client address",
        })
    }
}

/// Whether and for whom a broker key may change at run time (Kafka's dynamic update mode).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// Only with a restart.
    ReadOnly,
    /// At run time, for one broker at a time.
    PerBroker,
    /// At run time, for one broker or for all.
    ClusterWide,
}

impl Update {
    /// Kafka's word for it, as in its documentation.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::PerBroker => "per-broker",
            Self::ClusterWide => "cluster-wide",
        }
    }
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
    /// Milliseconds.
    Millis,
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
    /// Hours.
    Hours,
}

impl Unit {
    /// The unit that a number's name ends with, which is Kafka's custom for nearly all of them.
    fn of_name(name: &str) -> Option<Self> {
        const ENDINGS: [(&str, Unit); 9] = [
            ("bytes.per.second", Unit::BytesPerSecond),
            (".throttled.rate", Unit::BytesPerSecond),
            (".bytes", Unit::Bytes),
            (".ms", Unit::Millis),
            (".millis", Unit::Millis),
            (".seconds", Unit::Seconds),
            (".secs", Unit::Seconds),
            (".minutes", Unit::Minutes),
            (".hours", Unit::Hours),
        ];
        ENDINGS.iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, unit)| *unit)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "bytes/s",
            Self::Millis => "ms",
            Self::Seconds => "s",
            Self::Minutes => "min",
            Self::Hours => "h",
        })
    }
}

/// What setting a key does in Klamm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// What its documentation says.
    Honoured,
    /// The value is checked, stored and described, and changes nothing, for this reason.
    Accepted(&'static str),
    /// The value names something inside a Java process, which Klamm is not.
    JvmOnly,
}

/// A broker key that supplies a topic's or a group's value when that has none of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synonym {
    /// Name of the broker key.
    pub name: &'static str,
    /// What the broker key's number is multiplied with to get the other's unit.
    pub factor: i64,
}

/// A broker key with the same unit.
pub(crate) const fn same(name: &'static str) -> Synonym {
    Synonym { name, factor: 1 }
}

/// A broker key in minutes for a key in milliseconds.
pub(crate) const fn minutes(name: &'static str) -> Synonym {
    Synonym { name, factor: 60_000 }
}

/// A broker key in hours for a key in milliseconds.
pub(crate) const fn hours(name: &'static str) -> Synonym {
    Synonym { name, factor: 3_600_000 }
}

/// One configuration key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Kafka's name, or one that starts with `klamm.`.
    pub name: &'static str,
    /// Type of the value.
    pub kind: Type,
    /// What it configures.
    pub scope: Scope,
    /// Value when nobody set one; `None` leaves the decision to another key or to the code.
    pub default: Option<&'static str>,
    /// Kafka's default where Klamm has another: `Some(None)` is "no default, must be set".
    pub kafka_default: Option<Option<&'static str>>,
    /// Which values are allowed.
    pub rule: Rule,
    /// Unit of a number whose name does not end with it.
    unit: Option<Unit>,
    /// Whether a broker key may change at run time.
    pub update: Update,
    /// Whether a broker key exists at run time only, so that no file may set it.
    pub dynamic_only: bool,
    /// Whether DescribeConfigs leaves the key out while nobody set it.
    pub internal: bool,
    /// Broker keys that supply the value, the strongest first.
    pub synonyms: &'static [Synonym],
    /// What setting it does in Klamm.
    pub effect: Effect,
    /// One or two sentences for the operator.
    pub doc: &'static str,
    secret: bool,
}

impl Key {
    /// The unit of the value, if it is a number of something.
    #[must_use]
    pub fn unit(&self) -> Option<Unit> {
        let number = matches!(self.kind, Type::Int | Type::Short | Type::Long | Type::Double);
        self.unit.or_else(|| number.then(|| Unit::of_name(self.name)).flatten())
    }

    /// Whether the value must never be shown.
    #[must_use]
    pub fn is_sensitive(&self) -> bool {
        self.secret || self.kind == Type::Password
    }

    pub(crate) const fn new(
        scope: Scope,
        name: &'static str,
        kind: Type,
        default: Option<&'static str>,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            scope,
            default,
            kafka_default: None,
            rule: Rule::Any,
            unit: None,
            update: Update::ReadOnly,
            dynamic_only: false,
            internal: false,
            synonyms: &[],
            effect: Effect::Honoured,
            doc,
            secret: false,
        }
    }

    pub(crate) const fn rule(mut self, rule: Rule) -> Self {
        self.rule = rule;
        self
    }

    pub(crate) const fn at_least(self, min: i64) -> Self {
        self.rule(Rule::AtLeast(min))
    }

    pub(crate) const fn between(self, min: i64, max: i64) -> Self {
        self.rule(Rule::Between(min, max))
    }

    pub(crate) const fn one_of(self, allowed: &'static [&'static str]) -> Self {
        self.rule(Rule::OneOf(allowed))
    }

    pub(crate) const fn list_of(self, allowed: &'static [&'static str]) -> Self {
        self.rule(Rule::List { allowed, may_be_empty: true })
    }

    pub(crate) const fn non_empty_list_of(self, allowed: &'static [&'static str]) -> Self {
        self.rule(Rule::List { allowed, may_be_empty: false })
    }

    pub(crate) const fn unit_is(mut self, unit: Unit) -> Self {
        self.unit = Some(unit);
        self
    }

    pub(crate) const fn per_broker(mut self) -> Self {
        self.update = Update::PerBroker;
        self
    }

    pub(crate) const fn cluster_wide(mut self) -> Self {
        self.update = Update::ClusterWide;
        self
    }

    pub(crate) const fn dynamic_only(mut self) -> Self {
        self.dynamic_only = true;
        self.cluster_wide()
    }

    pub(crate) const fn internal(mut self) -> Self {
        self.internal = true;
        self
    }

    pub(crate) const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    pub(crate) const fn from(mut self, synonyms: &'static [Synonym]) -> Self {
        self.synonyms = synonyms;
        self
    }

    pub(crate) const fn accepted(mut self, reason: &'static str) -> Self {
        self.effect = Effect::Accepted(reason);
        self
    }

    pub(crate) const fn jvm(mut self) -> Self {
        self.effect = Effect::JvmOnly;
        self
    }

    pub(crate) const fn kafka_has(mut self, default: &'static str) -> Self {
        self.kafka_default = Some(Some(default));
        self
    }

    pub(crate) const fn kafka_requires_it(mut self) -> Self {
        self.kafka_default = Some(None);
        self
    }
}

/// Makes the table `KEYS` of one scope. An entry is a name, a [`Type`], the default (a text or
/// `null`), in brackets the methods of [`Key`] that say what differs from "any value, read-only,
/// honoured", and the documentation.
macro_rules! keys {
    (@default null) => { None };
    (@default $text:literal) => { Some($text) };
    (
        $scope:ident:
        $($name:literal $kind:ident $default:tt [$($say:ident $(($($arg:expr),*))?),* $(,)?]
        $doc:literal;)*
    ) => {
        pub(in crate::keys) const KEYS: &[$crate::key::Key] = &[$(
            $crate::key::Key::new(
                $crate::key::Scope::$scope,
                $name,
                $crate::key::Type::$kind,
                $crate::key::keys!(@default $default),
                $doc,
            )$(.$say($($($arg),*)?))*,
        )*];
    };
}
pub(crate) use keys;
