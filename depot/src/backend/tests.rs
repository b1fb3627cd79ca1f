//! What every backend must do, on the real and on the simulated disk.

mod crash;
mod suite;

use std::sync::Arc;

use strongroom_platform::disk::{Disk, RealDisk, SimDisk};

pub(super) use suite::conforms;
use suite::{pack, put};

use super::*;

#[test]
fn a_directory_on_the_simulated_disk_conforms() {
    conforms(&DirectoryBackend::new(Arc::new(SimDisk::from_seed(1))));
}

#[test]
fn a_directory_on_the_real_disk_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let disk = RealDisk::open(folder.path()).unwrap();
    conforms(&DirectoryBackend::new(Arc::new(disk)));
}

#[test]
fn files_that_do_not_belong_are_named_and_left() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
    let backend = DirectoryBackend::new(Arc::clone(&disk));
    put(&backend, pack(9), b"pack").unwrap();
    disk.create_dir_all("packs/01").unwrap();
    for path in ["packs/readme", "packs/09/note.txt", &format!("packs/01/{}.pack", pack(9))] {
        strongroom_platform::disk::durable_write(&disk, path, b"?").unwrap();
    }
    let listing = backend.list_packs().unwrap();
    assert_eq!(listing.items.len(), 1);
    let misplaced = format!("packs/01/{}.pack", pack(9));
    assert_eq!(listing.foreign, [misplaced.as_str(), "packs/09/note.txt", "packs/readme"]);
}
