//! Sets of jars from Maven, each installed once and shared by all who use it: Apache Kafka with all
//! that its release has, and the client library in several versions.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Places;
use super::process::finish;

/// The class path of Apache Kafka: broker, tools, Streams, Connect and `MirrorMaker`.
pub(crate) fn kafka(places: &Places) -> Result<PathBuf> {
    let pom = places.suite.join("kafka-peer/pom.xml");
    install(places, &pom, &places.out.join("kafka-peer"), &[]).context("installing Apache Kafka")
}

/// The folder with the client library's jars, a folder for each version.
pub(super) fn clients(places: &Places) -> PathBuf {
    places.out.join("kafka-clients")
}

/// Installs a version of the client library into its folder.
pub(super) fn client(places: &Places, version: &str) -> Result<()> {
    let pom = places.suite.join("java/pom.xml");
    let out = clients(places).join(version);
    install(places, &pom, &out, &[format!("-Dkafka.version={version}")])
        .with_context(|| format!("installing kafka-clients {version}"))?;
    Ok(())
}

/// Puts what a pom names into the folder `lib` of `out`, unless that was done for the same pom.
fn install(places: &Places, pom: &Path, out: &Path, more: &[String]) -> Result<PathBuf> {
    let (lib, stamp) = (out.join("lib"), out.join("pom.xml"));
    if std::fs::read(&stamp).ok() == Some(std::fs::read(pom)?) {
        return Ok(lib);
    }
    // What another pom has left, or half of what was interrupted.
    if out.exists() {
        std::fs::remove_dir_all(out).with_context(|| out.display().to_string())?;
    }
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let mut maven = Command::new("mvn");
    maven.args(["-q", "-B", "-f"]).arg(pom).arg("dependency:copy-dependencies").args(more);
    maven.arg(format!("-DoutputDirectory={}", lib.display()));
    finish(&mut maven, &places.out.join("logs").join(format!("jars-{name}.log")))?;
    std::fs::copy(pom, &stamp)?;
    Ok(lib)
}
