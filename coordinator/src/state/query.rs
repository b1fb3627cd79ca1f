//! What may be asked of the state: listings by the page, single things, and counts.
//!
//! Owns reading and nothing else; none of it changes a row. A page is bounded, and says after which key the next one
//! begins. Nothing is counted by a scan. The hash of a join token's secret never leaves.

use std::cmp::Reverse;

use strongroom_core::audit::{AuditEvent, LeafIndex};
use strongroom_core::id::{
    AgentId, CertificateSerial, DepotId, HostGroup, PackId, RunId, SnapshotId, SourceId, TokenId,
};

use super::agents::{AgentRow, Agents};
use super::audit::AuditEvents;
use super::certificates::{CertificateRow, Certificates};
use super::contracts::{ContractDocument, Contracts};
use super::counters::{Counter, count};
use super::denials::{Denial, Denials, Denied};
use super::depots::{DepotRow, Depots};
use super::members::{MemberRow, Members};
use super::operators::{OperatorIdentities, OperatorRow, Operators};
use super::packs::{LivePacks, PackDifference, PackRow, Packs};
use super::places::{JurisdictionRow, Jurisdictions, RegionRow, Regions, SiteRow, Sites};
use super::refounding::{RefoundingRow, Refoundings};
use super::request::Actor;
use super::retired::{RetiredRow, RetiredSources};
use super::rows::{Rows, Table, Unreadable};
use super::runs::{HostGroupRow, HostGroups, RunRow, Runs, ScheduleRow, Schedules, SourceRuns};
use super::snapshots::{HeadRow, Heads, SnapshotPacks, SnapshotRow, Snapshots, SourceSnapshots};
use super::sources::{SourceNames, SourceRow, Sources};
use super::tables;
use super::text::{JurisdictionName, Name, SourceName, Subject};
use super::tokens::{TokenRow, TokenState, TokenTerms, Tokens};
use super::uploads::{EpochRow, Epochs};
use crate::id::{ClusterEpoch, MemberId};

/// Most rows on one page.
pub const PAGE_ROWS_MAX: usize = 1_000;

/// One page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<K, V> {
    /// Keys and rows, in the order of the listing.
    pub rows: Vec<(K, V)>,
    /// Whether the page is full, so that there may be more after its last key.
    pub has_more: bool,
}

/// A page, or the state can't be read.
pub type Paged<K, V> = Result<Page<K, V>, Unreadable>;

fn page<T: Table>(rows: &Rows, prefix: &[u8], after: Option<&T::Key>, limit: usize) -> Paged<T::Key, T::Value> {
    let limit = limit.clamp(1, PAGE_ROWS_MAX);
    let rows = rows.list::<T>(prefix, after, limit)?;
    let has_more = rows.len() == limit;
    Ok(Page { rows, has_more })
}

impl<K, V> Page<K, V> {
    fn try_map<K2, V2>(self, each: impl Fn(K, V) -> Result<Option<(K2, V2)>, Unreadable>) -> Paged<K2, V2> {
        let rows = self.rows.into_iter().filter_map(|(key, row)| each(key, row).transpose());
        Ok(Page { rows: rows.collect::<Result<_, _>>()?, has_more: self.has_more })
    }
}

macro_rules! listings {
    ($($(#[$doc:meta])* $list:ident, $one:ident: $table:ident, $key:ty => $row:ty;)*) => {
        $(
            $(#[$doc])*
            pub fn $list(rows: &Rows, after: Option<&$key>, limit: usize) -> Paged<$key, $row> {
                page::<$table>(rows, &[], after, limit)
            }

            /// One of them.
            pub fn $one(rows: &Rows, key: &$key) -> Result<Option<$row>, Unreadable> {
                rows.get::<$table>(key)
            }
        )*
    };
}

listings! {
    /// Jurisdictions by name.
    jurisdictions, jurisdiction: Jurisdictions, JurisdictionName => JurisdictionRow;
    /// Regions by name.
    regions, region: Regions, Name => RegionRow;
    /// Sites by name.
    sites, site: Sites, Name => SiteRow;
    /// Members by id, the removed ones too.
    members, member: Members, MemberId => MemberRow;
    /// Depots by id.
    depots, depot: Depots, DepotId => DepotRow;
    /// Agents by id, the retired ones too.
    agents, agent: Agents, AgentId => AgentRow;
    /// Sources by id.
    sources, source: Sources, SourceId => SourceRow;
    /// Sources that were retired.
    retired_sources, retired_source: RetiredSources, SourceId => RetiredRow;
    /// Where each source stands in its periods.
    schedules, schedule: Schedules, SourceId => ScheduleRow;
    /// Host groups that had a run or a cap.
    host_groups, host_group: HostGroups, HostGroup => HostGroupRow;
    /// The newest head of each source.
    heads, head: Heads, SourceId => HeadRow;
    /// The newest fencing epoch of each source.
    epochs, epoch: Epochs, SourceId => EpochRow;
    /// Operators by name.
    operators, operator: Operators, Name => OperatorRow;
    /// Foundings after the first, by epoch.
    refoundings, refounding: Refoundings, ClusterEpoch => RefoundingRow;
    /// Certificates by serial number.
    certificates, certificate: Certificates, CertificateSerial => CertificateRow;
    /// The deny-list in the order of its versions; after a version, what was denied since.
    denials, denial: Denials, u64 => Denial;
}

/// A join token as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenView {
    /// For whom it is.
    pub terms: TokenTerms,
    /// Who minted it.
    pub minted_by: Actor,
    /// Whether it can be spent.
    pub state: TokenState,
}

impl From<TokenRow> for TokenView {
    fn from(row: TokenRow) -> Self {
        Self { terms: row.terms, minted_by: row.minted_by, state: row.state }
    }
}

/// Join tokens by id, without their secrets' hashes.
pub fn tokens(rows: &Rows, after: Option<&TokenId>, limit: usize) -> Paged<TokenId, TokenView> {
    page::<Tokens>(rows, &[], after, limit)?.try_map(|token, row| Ok(Some((token, row.into()))))
}

/// The source that bears a name.
pub fn source_named(rows: &Rows, name: &SourceName) -> Result<Option<(SourceId, SourceRow)>, Unreadable> {
    let Some(source) = rows.get::<SourceNames>(name)? else { return Ok(None) };
    Ok(rows.get::<Sources>(&source)?.map(|row| (source, row)))
}

/// The whole contract of a source.
pub fn contract(rows: &Rows, source: &SourceId) -> Result<Option<ContractDocument>, Unreadable> {
    rows.get::<Contracts>(source)
}

/// Snapshots of a source, the newest first, after the one at a place in the chain.
pub fn snapshots(rows: &Rows, source: SourceId, after: Option<u64>, limit: usize) -> Paged<SnapshotId, SnapshotRow> {
    let after = after.map(|sequence| (source, Reverse(sequence)));
    let found = page::<SourceSnapshots>(rows, source.as_bytes(), after.as_ref(), limit)?;
    found.try_map(|_, snapshot| Ok(rows.get::<Snapshots>(&snapshot)?.map(|row| (snapshot, row))))
}

/// One snapshot.
pub fn snapshot(rows: &Rows, snapshot: &SnapshotId) -> Result<Option<SnapshotRow>, Unreadable> {
    rows.get::<Snapshots>(snapshot)
}

/// How a snapshot's list of packs differs from the one before.
pub fn snapshot_packs(rows: &Rows, snapshot: &SnapshotId) -> Result<Option<PackDifference>, Unreadable> {
    rows.get::<SnapshotPacks>(snapshot)
}

/// Packs that the newest head of a source lists.
pub fn live_packs(rows: &Rows, source: SourceId, after: Option<PackId>, limit: usize) -> Paged<PackId, PackRow> {
    let after = after.map(|pack| (source, pack));
    let found = page::<LivePacks>(rows, source.as_bytes(), after.as_ref(), limit)?;
    found.try_map(|(_, pack), ()| Ok(rows.get::<Packs>(&pack)?.map(|row| (pack, row))))
}

/// One pack that some head has listed.
pub fn pack(rows: &Rows, pack: &PackId) -> Result<Option<PackRow>, Unreadable> {
    rows.get::<Packs>(pack)
}

/// Runs of a source, the newest first, after the one of an ordinal.
pub fn runs(rows: &Rows, source: SourceId, after: Option<u64>, limit: usize) -> Paged<RunId, RunRow> {
    let after = after.map(|ordinal| (source, Reverse(ordinal)));
    let found = page::<SourceRuns>(rows, source.as_bytes(), after.as_ref(), limit)?;
    found.try_map(|_, run| Ok(rows.get::<Runs>(&run)?.map(|row| (run, row))))
}

/// One run.
pub fn run(rows: &Rows, run: &RunId) -> Result<Option<RunRow>, Unreadable> {
    rows.get::<Runs>(run)
}

/// The operator of an identity.
pub fn operator_of(rows: &Rows, subject: &Subject) -> Result<Option<(Name, OperatorRow)>, Unreadable> {
    let Some(name) = rows.get::<OperatorIdentities>(subject)? else { return Ok(None) };
    Ok(rows.get::<Operators>(&name)?.map(|row| (name, row)))
}

/// Since which version of the deny-list something is denied.
pub fn denied_since(rows: &Rows, denial: &Denial) -> Result<Option<u64>, Unreadable> {
    rows.get::<Denied>(denial)
}

/// Events of the audit log from a place on: the canonical bytes, which are what proofs are about, and the event.
pub fn audit_events(rows: &Rows, from: LeafIndex, limit: usize) -> Paged<LeafIndex, (Vec<u8>, AuditEvent)> {
    let after = from.0.checked_sub(1).map(LeafIndex);
    page::<AuditEvents>(rows, &[], after.as_ref(), limit)?.try_map(|place, bytes| {
        let malformed = |_| Unreadable::Malformed { table: tables::AUDIT_EVENTS };
        let event = AuditEvent::decode(&bytes).map_err(malformed)?;
        Ok(Some((place, (bytes, event))))
    })
}

/// All counts, in the order of [`Counter::ALL`].
pub fn counts(rows: &Rows) -> Result<Vec<(Counter, u64)>, Unreadable> {
    Counter::ALL.iter().map(|counter| Ok((*counter, count(rows, *counter)?))).collect()
}
