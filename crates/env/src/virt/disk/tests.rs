//! What a crash takes of names.

use std::path::Path;

use super::VirtualDisk;
use crate::{
    Random,
    disk::{Disk, Open},
};

/// What was left to do in a directory that was moved is not done in the next of its name.
#[test]
fn unsynced_names_move_with_their_directory() {
    for seed in 0..20 {
        let disk = VirtualDisk::new(Random::from_seed(seed));
        let [a, moved] = ["/a", "/moved"].map(Path::new);
        disk.create_dir_all(a).unwrap();
        disk.open(&a.join("f"), Open::Create).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        disk.sync_dir(a).unwrap();
        disk.rename(&a.join("f"), &a.join("gone")).unwrap();
        disk.rename(a, moved).unwrap();
        disk.create_dir_all(a).unwrap();
        disk.open(&a.join("f"), Open::Create).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        disk.sync_dir(a).unwrap();
        disk.crash();
        assert!(disk.exists(&a.join("f")), "seed {seed}");
        assert!(disk.exists(moved), "seed {seed}");
        assert!(!disk.exists(&a.join("gone")), "seed {seed}");
    }
}

/// What is synced in a directory does not show in the former of its name, whose move was not.
#[test]
fn synced_names_stay_out_of_the_former_directory() {
    for seed in 0..20 {
        let disk = VirtualDisk::new(Random::from_seed(seed));
        let [a, moved] = ["/a", "/moved"].map(Path::new);
        disk.create_dir_all(a).unwrap();
        disk.open(&a.join("old"), Open::Create).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        disk.sync_dir(a).unwrap();
        disk.rename(a, moved).unwrap();
        disk.create_dir_all(a).unwrap();
        disk.open(&a.join("new"), Open::Create).unwrap();
        disk.sync_dir(a).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        disk.crash();
        let found = [a.join("new"), moved.join("old")].map(|path| disk.exists(&path));
        assert_eq!(found, [true, true], "seed {seed}");
        let mixed = [a.join("old"), moved.join("new")].map(|path| disk.exists(&path));
        assert_eq!(mixed, [false, false], "seed {seed}");
    }
}
