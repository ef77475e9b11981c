//! Log directories that go out of service.

use std::{path::Path, pin::pin, sync::Arc};

use klamm_env::{
    Clock, Env, Random,
    virt::{VirtualDisk, VirtualNet},
};
use klamm_log::{DirOpen, LogDirs};

fn dirs(paths: &[&str]) -> LogDirs {
    let random = Random::from_seed(1);
    let env = Env {
        clock: Clock::following_runtime(0),
        net: Arc::new(VirtualNet::new(random.clone())),
        disk: Arc::new(VirtualDisk::new(random.clone())),
        random,
    };
    let open = DirOpen {
        env,
        paths: paths.iter().map(Into::into).collect(),
        node_id: 1,
        cluster_id: "cluster".to_owned(),
        uuid_text: |bytes| u128::from_be_bytes(bytes).to_string(),
        uuid_parse: |text| text.parse().ok().map(u128::to_be_bytes),
    };
    open.open().expect("a new disk takes directories")
}

#[test]
fn one_that_fails_does_not_stop_the_others_and_the_last_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let dirs = dirs(&["/a", "/b"]);
        let mut all_failed = pin!(dirs.all_failed());
        let mut has_failed = async || {
            tokio::select! {
                biased;
                reason = &mut all_failed => Some(reason),
                () = std::future::ready(()) => None,
            }
        };
        dirs.fail(Path::new("/a"), "it smokes");
        assert!(!dirs.are_all_in_service());
        assert_eq!(has_failed().await, None);
        dirs.fail(Path::new("/b"), "it burns");
        let reason = has_failed().await.expect("none is left");
        assert_eq!(reason, "all log directories are out of service: it burns");
    });
}
