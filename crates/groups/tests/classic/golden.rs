//! Records byte for byte as Apache Kafka 4.3.1 wrote them, when it was sent these requests.

use klamm_groups::{
    Context, Coordinator, CoordinatorRecord, Effect, Replayed, Request, Response, Settings, Token,
};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::support::command::{Client, Command};
use crate::support::names::Names;
use crate::support::settings;

const GROUP: &str = "golden~f5d4f623";
const OTHER: &str = "other~f5d4f623";
const UUID: &str = "bbf24442-603a-430f-9982-64e80c391cfc";
/// The ids of the topics `t` and `u` in the Kafka that wrote the records.
const TOPIC_T: u128 = 0x1d5e_e941_c970_4cfb_817f_739c_3778_63d5;
const TOPIC_U: u128 = 0xe6f0_36b2_7f2d_435d_99ee_1ed6_025a_dc11;

/// Key and value of each record, in the order of the requests.
const RECORDS: &[(&str, Option<&str>)] = &[
    (
        "0002000f676f6c64656e7e6635643466363233",
        Some("0003000000000000ffffffff000001a1fe5a7e2900000000"),
    ),
    (
        "0002000f676f6c64656e7e6635643466363233",
        Some(concat!(
            "00030008636f6e73756d657200000001000572616e67650026782d62626632343434322d363033612d3433",
            "30662d393938322d363465383063333931636663000001a1fe5a7e2b000000010026782d62626632343434",
            "322d363033612d343330662d393938322d363465383063333931636663000178000161000a2f3132372e30",
            "2e302e3100004e200000271000000011000100000001000174ffffffff000000000000000470617274",
        )),
    ),
    (
        "0001000f676f6c64656e7e663564346636323300017400000000",
        Some(concat!(
            "00040000000000000005000000030574657874000001a1fe5a80820100101d5ee941c9704cfb817f739c37",
            "7863d5",
        )),
    ),
    (
        "0001000f676f6c64656e7e663564346636323300017400000001",
        Some("000100000000000000060000000001a1fe5a81ae000001a1fe5b6c0e"),
    ),
    (
        "0002000f676f6c64656e7e6635643466363233",
        Some("00030008636f6e73756d657200000002ffffffff000001a1fe5a82da00000000"),
    ),
    (
        "0001000e6f746865727e663564346636323300017500000003",
        Some(
            "00040000000000000007ffffffff01000001a1fe5a8406010010e6f036b27f2d435d99ee1ed6025adc11",
        ),
    ),
    ("0001000e6f746865727e663564346636323300017500000003", None),
    ("0002000e6f746865727e6635643466363233", None),
    ("0001000f676f6c64656e7e663564346636323300017400000000", None),
    ("0001000f676f6c64656e7e663564346636323300017400000001", None),
    ("0002000f676f6c64656e7e6635643466363233", None),
];

/// What was sent, at the times that the records tell.
const REQUESTS: &[&str] = &[
    "1795268705833 a join GROUP i=x s=10000 r=20000 sub=t",
    "1795268705835 -",
    "1795268706100 a sync GROUP assign=ID:part i=x",
    "1795268706434 a commit GROUP at=t:0=5:text epoch=3 i=x id=T",
    "1795268706734 a commit GROUP at=t:1=6 v=4 retention=60000",
    "1795268707034 a leave GROUP",
    "1795268707334 b commit OTHER at=u:3=7 id=U m=? gen=-1",
    "1795268707634 b forget OTHER at=u:3",
    "1795268707934 b delete OTHER,GROUP",
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |i| u8::from_str_radix(&text[i..i + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(digits).collect()
}

/// What a coordinator writes when it is sent the same at the same times.
fn written() -> Vec<CoordinatorRecord> {
    let mut shard = Coordinator::new(settings());
    shard.loaded(0);
    let member =
        Client { member: format!("x-{UUID}"), generation: 1, protocol: "range".to_owned() };
    let mut log = Vec::new();
    for (token, text) in REQUESTS.iter().enumerate() {
        let text = text.replace("GROUP", GROUP).replace("OTHER", OTHER);
        let text = text.replace("ID:", &format!("{}:", member.member));
        let text = text.replace("id=T", &format!("id={TOPIC_T}"));
        let text = text.replace("id=U", &format!("id={TOPIC_U}"));
        let command = Command::parse(&text);
        let now = command.at_ms;
        let mut effects = if command.client == "-" {
            shard.on_deadline(now)
        } else {
            let client = if token == 0 { Client::default() } else { member.clone() };
            let request = command.request(&client, &Names::default());
            let context: Context = command.context();
            shard.handle(now, Token(token as u64), &context, request, &mut || UUID.to_owned())
        };
        while !effects.is_empty() {
            let mut more = Vec::new();
            for effect in effects {
                if let Effect::Append { id, records } = effect {
                    log.extend(records);
                    more.extend(shard.on_appended(now, id, Ok(())));
                }
            }
            effects = more;
        }
    }
    log
}

#[test]
fn we_write_what_kafka_writes() {
    let ours: Vec<_> =
        written().iter().map(|r| (hex(&r.key), r.value.as_deref().map(hex))).collect();
    let kafkas: Vec<_> =
        RECORDS.iter().map(|(k, v)| ((*k).to_owned(), v.map(str::to_owned))).collect();
    assert_eq!(ours, kafkas);
}

#[test]
fn we_read_what_kafka_writes() {
    let mut shard = Coordinator::new(Settings::default());
    for (key, value) in &RECORDS[..6] {
        let value = value.map(unhex);
        assert_eq!(shard.apply(0, &unhex(key), value.as_deref()), Ok(Replayed::Applied));
    }
    shard.loaded(0);
    let mut ask = |request| {
        let effects =
            shard.handle(0, Token(1), &Context::default(), request, &mut || unreachable!());
        match effects.into_iter().next() {
            Some(Effect::Respond { response, .. }) => response,
            other => panic!("no answer but {other:?}"),
        }
    };
    let listed = ask(Request::List { states: vec![], types: vec![] });
    let Response::List(groups) = listed else { panic!("{listed:?}") };
    let groups: Vec<_> = groups.iter().map(|g| (&*g.group_id, &*g.protocol_type)).collect();
    assert_eq!(groups, [(GROUP, "consumer"), (OTHER, "")]);
}

/// Whatever a damaged record says, it is refused or lived with.
#[test]
fn damaged_records_do_no_harm() {
    for seed in 0..2_000 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut shard = Coordinator::new(Settings { group_size_max: 1, ..Settings::default() });
        for (key, value) in RECORDS {
            let mut value = value.map(unhex);
            for byte in value.iter_mut().flatten() {
                if rng.random_bool(0.03) {
                    *byte = rng.random();
                }
            }
            // Either result will do: what counts is that the coordinator goes on.
            let _ = shard.apply(0, &unhex(key), value.as_deref());
            let mut now = 0;
            let mut effects = shard.loaded(now);
            for _ in 0..20 {
                for effect in std::mem::take(&mut effects) {
                    if let Effect::Append { id, .. } = effect {
                        shard.on_appended(now, id, Ok(()));
                    }
                }
                now = shard.next_deadline().unwrap_or(now).max(now);
                effects = shard.on_deadline(now);
            }
        }
    }
}

#[test]
fn records_of_other_kinds_of_groups_are_skipped_and_damage_is_reported() {
    let mut shard = Coordinator::new(Settings::default());
    let consumer_group = unhex("000300016700");
    assert_eq!(shard.apply(0, &unhex("7fff"), None), Ok(Replayed::Skipped(0x7fff)));
    assert!(shard.apply(0, &consumer_group, None).is_err(), "trailing bytes");
    assert!(shard.apply(0, &[], None).is_err());
    assert!(shard.apply(0, &[0], None).is_err());
    let (group, offset) = (unhex("0002000167"), unhex("0001000167000174ffffffff"));
    for value in ["", "00", "0009", "0003ffff", "000300016300"] {
        assert!(shard.apply(0, &group, Some(&unhex(value))).is_err(), "{value}");
        assert!(shard.apply(0, &offset, Some(&unhex(value))).is_err(), "{value}");
    }
}
