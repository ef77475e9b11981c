//! Writes the documents that are made from code, or checks that they are up to date.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Writes the generated documents.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only compare, and fail if something is out of date.
    #[arg(long)]
    check: bool,
}

const BEGIN: &str = "<!-- api-table:begin (cargo xtask docs) -->\n";
const END: &str = "<!-- api-table:end -->";

pub(crate) fn run(args: &Args) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut stale = Vec::new();
    for (path, contents) in documents(&root)? {
        let old = std::fs::read_to_string(&path).unwrap_or_default();
        if old == contents {
            continue;
        }
        stale.push(path.display().to_string());
        if !args.check {
            std::fs::write(&path, contents).with_context(|| path.display().to_string())?;
        }
    }
    if args.check && !stale.is_empty() {
        bail!("out of date: {}; run `cargo xtask docs`", stale.join(", "));
    }
    Ok(())
}

/// Every generated document and what it should say.
fn documents(root: &Path) -> Result<Vec<(PathBuf, String)>> {
    let readme = root.join("README.md");
    let text = std::fs::read_to_string(&readme).context("README.md")?;
    let (head, rest) = text.split_once(BEGIN).context("README.md has no api-table")?;
    let (_, tail) = rest.split_once(END).context("README.md has no end of the api-table")?;
    let table = klamm_broker::docs::api_table();
    Ok(vec![
        (root.join("docs/api-compatibility.md"), klamm_broker::docs::api_compatibility()),
        (root.join("docs/config.md"), klamm_config::docs::markdown()),
        (root.join("docs/metrics.md"), klamm_broker::docs::metrics()),
        (readme, format!("{head}{BEGIN}{table}{END}{tail}")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_are_up_to_date() {
        run(&Args { check: true }).expect("run `cargo xtask docs`");
    }
}
