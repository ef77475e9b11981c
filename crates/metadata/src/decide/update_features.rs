//! UpdateFeatures, and the levels that a new cluster starts with.

use klamm_protocol::{
    ErrorCode,
    messages::{
        ClearElrRecord, ConfigRecord, FeatureLevelRecord, UpdateFeaturesRequest,
        UpdateFeaturesResponse, metadata_record::MetadataRecord,
        update_features_request::FeatureUpdateKey,
        update_features_response::UpdatableFeatureResult,
    },
};

use super::{Context, Decision, Refusal, Settings};
use crate::{Image, ResourceKind, features};

const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;
const UNSAFE_DOWNGRADE: i8 = 3;

type Records = Vec<MetadataRecord<'static>>;

/// The records that a new cluster begins with: feature levels as Kafka's `format` finalizes them,
/// and the cluster's `min.insync.replicas`, which eligible leader replicas need to be explicit.
pub fn initial_features(settings: &Settings) -> Records {
    let finalized = features::SUPPORTED.iter().filter(|feature| feature.initial > 0);
    let mut records: Records = finalized.map(|f| level(f.name, f.initial)).collect();
    records.push(cluster_min_isr(settings.min_insync_replicas));
    records
}

fn level(name: &str, level: i16) -> MetadataRecord<'static> {
    MetadataRecord::FeatureLevel(FeatureLevelRecord {
        name: name.to_owned().into(),
        feature_level: level,
        ..FeatureLevelRecord::default()
    })
}

fn cluster_min_isr(value: i32) -> MetadataRecord<'static> {
    MetadataRecord::Config(ConfigRecord {
        resource_type: ResourceKind::Broker.number(),
        name: "min.insync.replicas".into(),
        value: Some(value.to_string().into()),
        ..ConfigRecord::default()
    })
}

/// Decides about new feature levels: all of them or none.
///
/// # Errors
/// `INVALID_UPDATE_VERSION` or `INVALID_REQUEST` for the whole request.
pub fn update_features(
    image: &Image,
    context: &Context<'_>,
    request: &UpdateFeaturesRequest<'_>,
) -> Result<Decision<UpdateFeaturesResponse<'static>>, Refusal> {
    let mut records = Records::new();
    let mut results = Vec::new();
    for update in &request.feature_updates {
        let changed = change(image, context, update).map_err(|refusal| {
            let text =
                "The update failed for all features since the following feature had an error: ";
            Refusal::new(refusal.code, format!("{text}{}", refusal.message))
        })?;
        records.extend(changed);
        results.push(UpdatableFeatureResult {
            feature: update.feature.to_string().into(),
            error_code: ErrorCode::None as i16,
            error_message: Some("NONE".into()),
            ..UpdatableFeatureResult::default()
        });
    }
    if request.validate_only {
        records.clear();
    }
    let response = UpdateFeaturesResponse {
        error_code: ErrorCode::None as i16,
        error_message: None,
        results,
        ..UpdateFeaturesResponse::default()
    };
    Ok(Decision { records, response })
}

fn change(
    image: &Image,
    context: &Context<'_>,
    update: &FeatureUpdateKey<'_>,
) -> Result<Records, Refusal> {
    let (name, new) = (&*update.feature, update.max_version_level);
    let old = image.features().level(name);
    // What version 0 says of downgrades counts for nothing: its requests are upgrades, as in Kafka.
    let kind = update.upgrade_type;
    let invalid = |text: String| Refusal::new(ErrorCode::InvalidUpdateVersion, text);
    check(image, context, update, kind).map_err(|reason| {
        invalid(format!("Invalid update version {new} for feature {name}. {reason}"))
    })?;
    if name == features::METADATA_VERSION && new < old {
        let reason = match kind {
            UNSAFE_DOWNGRADE => "Unsafe metadata downgrade is not supported in this version.",
            _ => {
                "Refusing to perform the requested downgrade because it might delete metadata \
                 information."
            }
        };
        let text = format!("Unsupported metadata.version downgrade from {old} to {new}. {reason}");
        return Err(invalid(text));
    }
    let mut records = Records::new();
    if new != old {
        records.push(level(name, new));
        if name == features::ELR_VERSION {
            records.extend(elr_records(image, context, new));
        }
    }
    Ok(records)
}

fn check(
    image: &Image,
    context: &Context<'_>,
    update: &FeatureUpdateKey<'_>,
    kind: i8,
) -> Result<(), String> {
    let (name, new) = (&*update.feature, update.max_version_level);
    let old = image.features().level(name);
    if !(UPGRADE..=UNSAFE_DOWNGRADE).contains(&kind) {
        return Err("The controller does not support the given upgrade type.".to_owned());
    }
    if new < 0 {
        return Err("A feature version cannot be less than 0.".to_owned());
    }
    let here = context.settings.node_id;
    let Some(supported) = features::supported(name) else {
        // No level is a level that every release supports.
        return Err(match new {
            0 => format!("Feature {name} not found."),
            _ => format!("Local controller {here} does not support this feature."),
        });
    };
    let (min, max) = (supported.min, supported.max);
    if !(min..=max).contains(&new) {
        return Err(format!("Local controller {here} only supports versions {min}-{max}"));
    }
    check_brokers(image, name, new)?;
    match kind {
        UPGRADE if new < old => Err("Can't downgrade the version of this feature without setting \
                                     the upgrade type to either safe or unsafe downgrade."
            .to_owned()),
        SAFE_DOWNGRADE | UNSAFE_DOWNGRADE if new > old => {
            Err("Can't downgrade to a newer version.".to_owned())
        }
        SAFE_DOWNGRADE | UNSAFE_DOWNGRADE if name == features::KRAFT_VERSION && new < old => {
            Err("Can't downgrade the version of this feature.".to_owned())
        }
        _ => Ok(()),
    }
}

fn check_brokers(image: &Image, name: &str, new: i16) -> Result<(), String> {
    for broker in image.brokers() {
        match broker.features.iter().find(|feature| feature.feature == name) {
            None if new > 0 => {
                return Err(format!("Broker {} does not support this feature.", broker.id));
            }
            Some(span) if !(span.min..=span.max).contains(&new) => {
                let (id, min, max) = (broker.id, span.min, span.max);
                return Err(format!("Broker {id} only supports versions {min}-{max}"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What has to be true before ELRs are kept, and what has to go with them.
fn elr_records(image: &Image, context: &Context<'_>, new: i16) -> Records {
    if new == 0 {
        return vec![MetadataRecord::ClearElr(ClearElrRecord::default())];
    }
    let mut records = Records::new();
    let cluster = image.config_value(&crate::Resource::all_brokers(), "min.insync.replicas");
    if cluster.is_none() {
        records.push(cluster_min_isr(context.settings.min_insync_replicas));
    }
    let brokers = image.configured().filter(|r| {
        r.kind == ResourceKind::Broker
            && !r.name.is_empty()
            && image.config_value(r, "min.insync.replicas").is_some()
    });
    records.extend(brokers.map(|resource| {
        MetadataRecord::Config(ConfigRecord {
            resource_type: resource.kind.number(),
            resource_name: resource.name.clone().into(),
            name: "min.insync.replicas".into(),
            value: None,
            ..ConfigRecord::default()
        })
    }));
    records
}
