use klamm_protocol::messages::{
    ClientQuotaRecord, client_quota_record::EntityData, metadata_record::MetadataRecord,
};

use super::*;

/// Lines of `TYPE=NAME[,TYPE=NAME] KEY=VALUE`; `*` is the default.
fn table(text: &str) -> Table {
    let mut image = Image::default();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (entity, quota) = line.split_once(' ').expect("an entity and a quota");
        let entity = entity.split(',').map(|part| {
            let (kind, name) = part.split_once('=').expect("type=name");
            EntityData {
                entity_type: kind.to_owned().into(),
                entity_name: (name != "*").then(|| name.to_owned().into()),
                ..EntityData::default()
            }
        });
        let (key, value) = quota.split_once('=').expect("key=value");
        image.apply(&MetadataRecord::ClientQuota(ClientQuotaRecord {
            entity: entity.collect(),
            key: key.to_owned().into(),
            value: value.parse().expect("a number"),
            ..ClientQuotaRecord::default()
        }));
    }
    Table::of(&image)
}

fn check(table: &Table, user: &str, client: &str, expected: &str) {
    let found = table.of_client(Kind::Produce, user, client);
    let text = found.map_or_else(
        || "none".to_owned(),
        |Limit { value, sharer }| {
            let Sharer::Client(user, client) = sharer else { panic!("{sharer:?}") };
            let name = |name: Option<Box<str>>| name.map_or("-".to_owned(), String::from);
            format!("{value} {} {}", name(user), name(client))
        },
    );
    assert_eq!(text, expected, "{user} {client}");
}

#[test]
fn the_most_precise_quota_counts() {
    let all = "
        user=u,client-id=c producer_byte_rate=1
        user=u,client-id=* producer_byte_rate=2
        user=u producer_byte_rate=3
        user=*,client-id=c producer_byte_rate=4
        user=*,client-id=* producer_byte_rate=5
        user=* producer_byte_rate=6
        client-id=c producer_byte_rate=7
        client-id=* producer_byte_rate=8";
    let expected = ["1 u c", "2 u c", "3 u -", "4 u c", "5 u c", "6 u -", "7 - c", "8 - c", "none"];
    let lines: Vec<&str> = all.lines().filter(|line| !line.trim().is_empty()).collect();
    for (taken, expected) in expected.iter().enumerate() {
        check(&table(&lines[taken..].join("\n")), "u", "c", expected);
    }
    let table = table(all);
    check(&table, "u", "other", "2 u other");
    check(&table, "v", "c", "4 v c");
    check(&table, "v", "d", "5 v d");
}

#[test]
fn an_entity_without_the_key_is_passed_over() {
    let table = table(
        "
        user=u consumer_byte_rate=1
        user=* producer_byte_rate=6",
    );
    check(&table, "u", "c", "6 u -");
    assert!(table.limits_clients(Kind::Fetch) && !table.limits_clients(Kind::Request));
}

#[test]
fn addresses_and_topics_have_their_own() {
    let table = table(
        "
        ip=10.0.0.1 connection_creation_rate=5
        ip=* connection_creation_rate=7
        topic=t producer_byte_rate=9",
    );
    let ip = |ip| table.of_ip(Kind::Connection, ip).map(|limit| limit.value);
    assert_eq!((ip("10.0.0.1"), ip("10.0.0.2")), (Some(5.0), Some(7.0)));
    let topic = |topic| table.of_topic(Kind::Produce, topic).map(|limit| limit.value);
    assert_eq!((topic("t"), topic("u")), (Some(9.0), None));
    assert!(!table.limits_clients(Kind::Produce) && table.limits_topics() && table.limits_ips());
}
