//! The check of references over snapshots, through real packs.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_agent::capture::{Progress, Spool};
use strongroom_agent::integrity::{CheckJob, check_snapshot};
use strongroom_agent::view::SnapshotView;
use strongroom_core::graph::TupleKey;
use strongroom_core::graph::rules::{ConventionalRule, OwnerRule, ReferenceRules};
use strongroom_platform::disk::SimDisk;
use strongroom_platform::rng::SimEntropy;

use crate::depot::Opened;
use crate::host::Host;
use crate::table::{Row, Table, Tables};

/// Devices, and ports whose column `size` tells the device of each.
fn devices_and_ports(devices: u32, ports: u32) -> Tables {
    let row = |id: u32, to: Option<u32>| -> Row {
        vec![Some(id.to_string()), Some(format!("n{id}")), None, to.map(|to| to.to_string())]
    };
    let mut device = Table::keyed();
    device.rows = (0..devices).map(|id| row(id, None)).collect();
    let mut port = Table::keyed();
    port.rows = (0..ports).map(|id| row(id, Some(id / 3))).collect();
    let tables = Tables::with("public.device", device);
    tables.tables.lock().unwrap().insert("public.port".to_owned(), port);
    tables
}

fn rules() -> ReferenceRules {
    let (class, column, target) = ("port".into(), "size".into(), "device".into());
    ReferenceRules {
        conventional: vec![ConventionalRule { class, column, target, ..ConventionalRule::default() }],
        owners: vec![OwnerRule { class: "port".into(), by: "size".into(), required: false }],
        ..ReferenceRules::default()
    }
}

#[test]
fn a_snapshot_is_checked_record_by_record() {
    let host = Host::new();
    // The last ports lead to devices from 8,000 on, which are not there.
    let source = devices_and_ports(8000, 24_100);
    host.backup(&source).unwrap();
    let (opened, body) = (Opened::new(&host.depot, &host.epoch), host.body(1));
    let view = SnapshotView::new(&opened, &host.ids, &body).unwrap();
    let spool = Spool::new(Arc::new(SimDisk::from_seed(1)), "spool", &SimEntropy::from_seed(1)).unwrap();
    let report = check_snapshot(
        &view,
        &CheckJob {
            rules: &rules(),
            naming: &BTreeMap::new(),
            baseline: None,
            key: TupleKey([3; 16]),
            examples_max: 2,
            spool: &Arc::new(spool),
            progress: &Progress::default(),
        },
    )
    .unwrap();
    assert_eq!((report.records, report.references), (32_100, 24_100));
    let [broken] = report.broken.as_slice() else { panic!("{:#?}", report.broken) };
    assert_eq!((broken.rule.code(), broken.class.as_str(), broken.count), ("R10", "public.port", 100));
    let keys: Vec<_> = broken.examples.iter().map(|example| example.key.as_deref().unwrap()).collect();
    assert_eq!(keys, ["24000", "24001"]);
}
