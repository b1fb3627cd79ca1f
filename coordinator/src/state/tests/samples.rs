//! One command of each kind.

use std::collections::BTreeSet;

use strongroom_core::audit::{Checkpoint, KeyName, LogSigner, TreeHead, TreeSize, empty_root};
use strongroom_core::id::{AgentId, CertificateSerial, ClientSession, DepotId, HostGroup, TokenId, UploadId};
use strongroom_core::time::WallTime;

use super::world::{
    codes, commit, depot_facts, law, member, mint, name, new_agent, open_upload, packs, plan, put_member, receipt,
    register, run_id, snapshot_id, source_id, spend, subject,
};
use crate::id::{ClusterEpoch, LogIndex, Position, Term};
use crate::state::agents::{ReportAgent, RetireAgent};
use crate::state::certificates::{Denial, Deny, IssueCertificate};
use crate::state::command::Command;
use crate::state::depots::{ChangeDepot, DepotState, SetDepotState};
use crate::state::members::{MemberBooted, RetireMember};
use crate::state::membership::{AskChange, HandOver, MemberStep};
use crate::state::operators::{AddOperator, OperatorRole, RemoveOperator, SetOperatorRoles};
use crate::state::passing::PassTime;
use crate::state::places::{PutJurisdiction, PutRegion, PutSite, RemoveJurisdiction, RemoveRegion, RemoveSite};
use crate::state::refounding::{Refound, RefoundedFrom, TakeBackup};
use crate::state::retired::RetireSource;
use crate::state::runs::commands::{FinishRun, QueueRun, ReportRun, SetHostGroupCap, StartRun};
use crate::state::runs::{RunOutcome, ScheduleSeen};
use crate::state::session::OpenSession;
use crate::state::signing::{KeepCheckpoint, RegisterAuditKey};
use crate::state::sources::{ChangeSource, DisableSource, PauseSource, SetContract};
use crate::state::text::ProgramVersion;
use crate::state::tokens::{Enrolment, JoinRole, RevokeToken};
use crate::state::uploads::{CloseUpload, FenceUpload};

pub(super) fn all() -> Vec<Command> {
    [places(), identity(), protection(), operators(), founding(), signing(), later(), retiring(), membership()].concat()
}

fn retiring() -> Vec<Command> {
    vec![RetireSource { source: source_id(1) }.into(), TakeBackup.into()]
}

fn membership() -> Vec<Command> {
    let step = MemberStep::Promote { learner: member(3), removes: Some(member(1)) };
    vec![AskChange { step }.into(), HandOver { from: member(1), to: member(2) }.into()]
}

fn founding() -> Vec<Command> {
    let put = put_member(2);
    let place = |index| Position { index: LogIndex(index), term: Term(7) };
    let refound = Refound {
        epoch: ClusterEpoch(2),
        member: put.member,
        details: Some(put.details),
        from: RefoundedFrom::Survivor(member(1)),
        last: place(900),
        committed: place(880),
    };
    vec![refound.into()]
}

fn places() -> Vec<Command> {
    vec![
        OpenSession { session: ClientSession([1; 16]) }.into(),
        PutJurisdiction { name: law("eu"), codes: codes(&["DE", "FR"]) }.into(),
        RemoveJurisdiction { name: law("eu") }.into(),
        PutRegion { name: name("berlin"), jurisdiction: law("eu") }.into(),
        RemoveRegion { name: name("berlin") }.into(),
        PutSite { name: name("berlin-1"), region: name("berlin") }.into(),
        RemoveSite { name: name("berlin-1") }.into(),
        put_member(1).into(),
        RetireMember { member: member(1) }.into(),
        MemberBooted { member: member(1), boot: 3 }.into(),
    ]
}

fn identity() -> Vec<Command> {
    let (agent, depot) = (AgentId([1; 16]), DepotId([1; 16]));
    let issue = IssueCertificate {
        serial: CertificateSerial([2; 16]),
        subject: subject("agent", 1),
        not_after: WallTime(1_700_000_000_000_000),
        renews: Some(CertificateSerial([1; 16])),
    };
    vec![
        mint(1, JoinRole::Agent, "berlin", 1_000).into(),
        RevokeToken { token: TokenId([1; 8]) }.into(),
        spend(1, Enrolment::Agent(new_agent(1))).into(),
        issue.into(),
        Deny { denial: Denial::Identity(subject("agent", 1)) }.into(),
        SetDepotState { depot, from: DepotState::Active, to: DepotState::Lost }.into(),
        ChangeDepot { depot, facts: depot_facts(1) }.into(),
        ReportAgent { agent, version: ProgramVersion::new("0.1.0").unwrap(), boot: 2 }.into(),
        RetireAgent { agent }.into(),
    ]
}

fn protection() -> Vec<Command> {
    let registered = register(1);
    let (source, facts) = (registered.source, registered.facts.clone());
    let contract = SetContract { source, contract: registered.contract.clone() };
    let finish = FinishRun { run: run_id(1), outcome: RunOutcome::Succeeded { snapshot: snapshot_id(1, 1) } };
    vec![
        registered.into(),
        ChangeSource { source, facts }.into(),
        contract.into(),
        PauseSource { source, is_paused: true }.into(),
        QueueRun { run: run_id(1), plan: plan(1, 7, 1) }.into(),
        StartRun { run: run_id(1), plan: plan(1, 7, 1), seen: ScheduleSeen::default() }.into(),
        ReportRun { run: run_id(1), bytes: 1 << 30, records: 600_000 }.into(),
        finish.into(),
        SetHostGroupCap { host_group: HostGroup([1; 16]), cap: 2 }.into(),
        open_upload(1, 1).into(),
        CloseUpload { source: source_id(1), upload: UploadId([1; 16]), epoch: 1 }.into(),
        FenceUpload { source: source_id(1), epoch: 1 }.into(),
        commit(1, 1, 1, 2, packs(&[1, 2], &[3])).into(),
        receipt(1, 1, 1, &[1, 2]).into(),
    ]
}

fn signing() -> Vec<Command> {
    let signer = signer();
    let head = TreeHead { size: TreeSize(0), root: empty_root() };
    let checkpoint = Checkpoint::new(signer.verifier_key().name().clone(), head).sign(&signer).unwrap();
    vec![
        RegisterAuditKey { member: member(1), key: signer.verifier_key().clone() }.into(),
        KeepCheckpoint { checkpoint }.into(),
    ]
}

/// A key of the audit log.
pub(super) fn signer() -> LogSigner {
    LogSigner::from_seed(KeyName::new("example.org/strongroom/audit").unwrap(), &[1; 32]).unwrap()
}

fn operators() -> Vec<Command> {
    let roles = BTreeSet::from([OperatorRole::Operator, OperatorRole::Auditor]);
    vec![
        AddOperator { name: name("ada"), subject: subject("operator", 1), roles: roles.clone() }.into(),
        SetOperatorRoles { name: name("ada"), roles }.into(),
        RemoveOperator { name: name("ada") }.into(),
    ]
}

fn later() -> Vec<Command> {
    vec![DisableSource { source: source_id(1), is_disabled: true }.into(), PassTime.into()]
}
