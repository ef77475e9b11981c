//! Reading what clients push: OpenTelemetry's `MetricsData` in protobuf, as much of it as becomes
//! series. Numbers of fields are those of `opentelemetry/proto/metrics/v1/metrics.proto`.
//!
//! A reader of our own, because the five messages that matter are a page of code, and a generated
//! one brings a code generator's runtime and all the messages that do not.
//!
//! Invariants: nothing is allocated but what is handed out; nesting is as deep as the schema.

/// Why bytes are no metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not OpenTelemetry metrics: {0}")]
pub(crate) struct OtlpError(&'static str);

/// What a number stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A value at one moment.
    Gauge,
    /// What changed since the last push, of something that may also fall.
    Change,
    /// What came on top since the last push.
    Delta,
    /// Everything since the client began.
    Cumulative,
}

/// One number of a client.
#[derive(Debug, PartialEq)]
pub(crate) struct Point<'a> {
    pub(crate) metric: &'a str,
    /// What is added to the metric's name: `_count` and `_sum` of a histogram.
    pub(crate) suffix: &'static str,
    pub(crate) meaning: Meaning,
    pub(crate) attributes: Vec<(&'a str, String)>,
    pub(crate) value: f64,
}

/// The most attributes of a point that are looked at.
const ATTRIBUTES_MAX: usize = 16;

/// Reads all points.
///
/// # Errors
/// The bytes are no protobuf, or not of these messages. Points before the damage have been seen.
pub(crate) fn read<'a>(bytes: &'a [u8], see: &mut impl FnMut(Point<'a>)) -> Result<(), OtlpError> {
    // MetricsData.resource_metrics, ResourceMetrics.scope_metrics, ScopeMetrics.metrics.
    each(bytes, 1, &mut |resource| {
        each(resource, 2, &mut |scope| each(scope, 2, &mut |metric| read_metric(metric, see)))
    })
}

fn read_metric<'a>(metric: &'a [u8], see: &mut impl FnMut(Point<'a>)) -> Result<(), OtlpError> {
    let mut name = "";
    let mut fields = Fields(metric);
    while let Some((number, field)) = fields.next()? {
        if let (1, Field::Bytes(text)) = (number, field) {
            name = text_of(text)?;
        }
    }
    let mut fields = Fields(metric);
    while let Some((number, field)) = fields.next()? {
        let Field::Bytes(data) = field else { continue };
        match number {
            5 => points(data, name, Meaning::Gauge, Shape::Number, see)?,
            7 => {
                let meaning = match kind_of_sum(data)? {
                    (DELTA, false) => Meaning::Change,
                    (DELTA, true) => Meaning::Delta,
                    (_, false) => Meaning::Gauge,
                    (_, true) => Meaning::Cumulative,
                };
                points(data, name, meaning, Shape::Number, see)?;
            }
            9 | 10 => {
                // They never fall, and need not say so.
                let meaning = match kind_of_sum(data)? {
                    (DELTA, _) => Meaning::Delta,
                    _ => Meaning::Cumulative,
                };
                let shape = if number == 9 { Shape::Histogram } else { Shape::Exponential };
                points(data, name, meaning, shape, see)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn points<'a>(
    data: &'a [u8],
    name: &'a str,
    meaning: Meaning,
    shape: Shape,
    see: &mut impl FnMut(Point<'a>),
) -> Result<(), OtlpError> {
    each(data, 1, &mut |point| read_point(point, name, meaning, shape, see))
}

/// `AGGREGATION_TEMPORALITY_DELTA`.
const DELTA: u64 = 1;

/// `aggregation_temporality`, and `is_monotonic`: whether it never falls. Both kinds of histogram
/// have the first at the same number.
fn kind_of_sum(data: &[u8]) -> Result<(u64, bool), OtlpError> {
    let (mut temporality, mut is_monotonic) = (0, false);
    let mut fields = Fields(data);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (2, Field::Varint(value)) => temporality = value,
            (3, Field::Varint(value)) => is_monotonic = value != 0,
            _ => {}
        }
    }
    Ok((temporality, is_monotonic))
}

/// Which message a data point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Number,
    Histogram,
    Exponential,
}

fn read_point<'a>(
    point: &'a [u8],
    metric: &'a str,
    meaning: Meaning,
    shape: Shape,
    see: &mut impl FnMut(Point<'a>),
) -> Result<(), OtlpError> {
    let attributes_at = match shape {
        Shape::Number => 7,
        Shape::Histogram => 9,
        Shape::Exponential => 1,
    };
    let mut attributes = Vec::new();
    let mut values: Vec<(&'static str, f64)> = Vec::new();
    let mut fields = Fields(point);
    while let Some((number, field)) = fields.next()? {
        match (shape, number, field) {
            (_, at, Field::Bytes(pair))
                if at == attributes_at && attributes.len() < ATTRIBUTES_MAX =>
            {
                attributes.extend(attribute(pair)?);
            }
            (Shape::Number, 4, Field::Fixed64(bits)) => values.push(("", f64::from_bits(bits))),
            (Shape::Number, 6, Field::Fixed64(bits)) => {
                values.push(("", bits.cast_signed() as f64))
            }
            (Shape::Histogram | Shape::Exponential, 4, Field::Fixed64(count)) => {
                values.push(("_count", count as f64));
            }
            (Shape::Histogram | Shape::Exponential, 5, Field::Fixed64(bits)) => {
                values.push(("_sum", f64::from_bits(bits)));
            }
            _ => {}
        }
    }
    for (suffix, value) in values {
        see(Point { metric, suffix, meaning, attributes: attributes.clone(), value });
    }
    Ok(())
}

/// A `KeyValue` whose value is text, a truth or a number.
fn attribute(pair: &[u8]) -> Result<Option<(&str, String)>, OtlpError> {
    let (mut key, mut text) = ("", None);
    let mut fields = Fields(pair);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(name)) => key = text_of(name)?,
            (2, Field::Bytes(value)) => text = any_value(value)?,
            _ => {}
        }
    }
    Ok(text.map(|text| (key, text)))
}

fn any_value(value: &[u8]) -> Result<Option<String>, OtlpError> {
    let mut fields = Fields(value);
    let mut text = None;
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(bytes)) => text = Some(text_of(bytes)?.to_owned()),
            (2, Field::Varint(truth)) => text = Some((truth != 0).to_string()),
            (3, Field::Varint(bits)) => text = Some(bits.cast_signed().to_string()),
            (4, Field::Fixed64(bits)) => text = Some(f64::from_bits(bits).to_string()),
            _ => {}
        }
    }
    Ok(text)
}

fn text_of(bytes: &[u8]) -> Result<&str, OtlpError> {
    std::str::from_utf8(bytes).map_err(|_| OtlpError("a text is not UTF-8"))
}

/// Calls `see` with every message that is field `wanted`.
fn each<'a>(
    bytes: &'a [u8],
    wanted: u64,
    see: &mut dyn FnMut(&'a [u8]) -> Result<(), OtlpError>,
) -> Result<(), OtlpError> {
    let mut fields = Fields(bytes);
    while let Some((number, field)) = fields.next()? {
        if let (true, Field::Bytes(message)) = (number == wanted, field) {
            see(message)?;
        }
    }
    Ok(())
}

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    /// Four bytes, which no field here has.
    Fixed32,
}

/// The fields of a message.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, OtlpError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let field = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let len = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                let (bytes, rest) = self.0.split_at_checked(len).ok_or(CUT)?;
                self.0 = rest;
                Field::Bytes(bytes)
            }
            5 => {
                self.array::<4>()?;
                Field::Fixed32
            }
            _ => return Err(OtlpError("an unknown wire type")),
        };
        Ok(Some((tag >> 3, field)))
    }

    fn varint(&mut self) -> Result<u64, OtlpError> {
        let mut value = 0;
        for at in 0..10 {
            let (&byte, rest) = self.0.split_first().ok_or(CUT)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(OtlpError("a number of more than ten bytes"))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], OtlpError> {
        let (bytes, rest) = self.0.split_first_chunk::<N>().ok_or(CUT)?;
        self.0 = rest;
        Ok(*bytes)
    }
}

const CUT: OtlpError = OtlpError("they end within a field");

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A field with a message in it.
    fn message(number: u8, parts: &[Vec<u8>]) -> Vec<u8> {
        let body = parts.concat();
        let mut out = vec![number << 3 | 2];
        let mut len = body.len();
        while len >= 0x80 {
            out.push((len & 0x7f) as u8 | 0x80);
            len >>= 7;
        }
        out.push(len as u8);
        out.extend(body);
        out
    }

    fn text(number: u8, text: &str) -> Vec<u8> {
        message(number, &[text.as_bytes().to_vec()])
    }

    fn fixed(number: u8, bits: u64) -> Vec<u8> {
        [vec![number << 3 | 1], bits.to_le_bytes().to_vec()].concat()
    }

    fn attribute_of(number: u8, key: &str, value: &str) -> Vec<u8> {
        message(number, &[text(1, key), message(2, &[text(1, value)])])
    }

    /// The metrics of a client: a monotonic delta, a gauge, a histogram.
    pub(in crate::telemetry) fn sample(sent: u64, depth: f64) -> Vec<u8> {
        let sum = message(
            7,
            &[
                message(1, &[attribute_of(7, "node.id", "1"), fixed(6, sent)]),
                vec![2 << 3, 1, 3 << 3, 1],
            ],
        );
        let sum = message(2, &[text(1, "org.apache.kafka.producer.sent.total"), sum]);
        let gauge = message(5, &[message(1, &[fixed(4, depth.to_bits())])]);
        let gauge = message(2, &[gauge, text(1, "queue.depth")]);
        let point = [fixed(4, 3), fixed(5, 1.5_f64.to_bits()), attribute_of(9, "k", "v")];
        let histogram = message(9, &[message(1, &point), vec![2 << 3, 2]]);
        let histogram = message(2, &[text(1, "latency"), histogram]);
        message(1, &[message(2, &[sum, gauge, histogram])])
    }

    fn told(bytes: &[u8]) -> Result<Vec<String>, OtlpError> {
        let mut told = Vec::new();
        read(bytes, &mut |point| {
            let Point { metric, suffix, meaning, attributes, value } = point;
            told.push(format!("{metric}{suffix} {meaning:?} {attributes:?} {value}"));
        })?;
        Ok(told)
    }

    #[test]
    fn numbers_are_found_with_what_they_mean() {
        assert_eq!(
            told(&sample(7, 0.5)).unwrap(),
            [
                r#"org.apache.kafka.producer.sent.total Delta [("node.id", "1")] 7"#,
                "queue.depth Gauge [] 0.5",
                r#"latency_count Cumulative [("k", "v")] 3"#,
                r#"latency_sum Cumulative [("k", "v")] 1.5"#,
            ]
        );
        assert_eq!(told(&[]).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn damage_is_an_error_and_nothing_worse() {
        let bytes = sample(7, 0.5);
        for cut in 1..bytes.len() {
            drop(told(&bytes[..cut]));
        }
        for at in 0..bytes.len() {
            for flip in [1, 0x10, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                drop(told(&damaged));
            }
        }
        assert_eq!(told(&[0xff; 40]), Err(OtlpError("a number of more than ten bytes")));
        assert_eq!(told(&[0x0a, 0x7f]), Err(CUT));
        assert_eq!(told(&[0x0b]), Err(OtlpError("an unknown wire type")));
    }
}
