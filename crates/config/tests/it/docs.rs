//! `docs/config.md` is what the registry generates.

use std::path::Path;

/// `KLAMM_UPDATE_DOCS=1 cargo test -p klamm-config docs` writes the page anew.
#[test]
fn the_committed_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/config.md");
    let page = klamm_config::docs::markdown();
    if std::env::var_os("KLAMM_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let refresh = "KLAMM_UPDATE_DOCS=1 cargo test -p klamm-config docs";
    assert!(committed == page, "docs/config.md is out of date; refresh it: {refresh}");
}
