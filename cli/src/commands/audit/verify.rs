//! `audit verify`: an export or a proof against keys that the reader trusts, offline.
//!
//! The keys that the document names are never trusted for it. What is wrong is said with its line.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use serde::Serialize;
use strongroom_core::audit::export::VerifyError;
use strongroom_core::audit::{
    EventProof, ExportLines, PROOF_BYTES_MAX, SignedCheckpoint, TrustedKeys, VerifiedCheckpoint, VerifierKey,
    verify_export,
};
use strongroom_core::error::Code;

use crate::app::App;
use crate::args::audit::AuditVerify;
use crate::failure::{Attempt as _, Exit, Failure};
use crate::render::json::Schema;

/// How the only line of a proof begins; the first line of an export begins otherwise.
const PROOF_START: &[u8] = b"{\"schema\":\"strongroom.audit-proof\"";
/// Longest checkpoint: a note has no more.
const CHECKPOINT_BYTES_MAX: u64 = strongroom_core::audit::NOTE_BYTES_MAX as u64;

/// What holds, for programs.
#[derive(Serialize)]
struct VerifiedDocument {
    ok: bool,
    /// `export` or `proof`.
    document: &'static str,
    origin: String,
    /// Events that the checkpoint promises.
    events: u64,
    root: String,
    checkpoints: u64,
    /// The place of the event that is proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    leaf: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<serde_json::Value>,
}

/// Checks a document.
pub(super) fn run(options: &AuditVerify, app: &App) -> Result<Exit, Failure> {
    let trusted = trusted(&options.key)?;
    let earlier = options.earlier.as_deref().map(|path| earlier(path, &trusted)).transpose()?;
    let what = || format!("{} can't be read", options.file.display());
    let mut file = BufReader::new(File::open(&options.file).attempt(what)?);
    let is_proof = file.fill_buf().attempt(what)?.starts_with(PROOF_START);
    let document = if is_proof { proof(file, &trusted)? } else { export(file, &trusted, earlier.as_ref())? };
    let sentence = match document.leaf {
        Some(leaf) => format!("Event {leaf} is in the log of {}, of {} events.", document.origin, document.events),
        None => format!("The log of {} holds: {} events, as they were signed.", document.origin, document.events),
    };
    app.output.result(sentence);
    app.output.document(Schema::AuditVerified, &document);
    Ok(Exit::Done)
}

fn trusted(keys: &[String]) -> Result<TrustedKeys, Failure> {
    let key = |text: &String| {
        text.parse::<VerifierKey>().map_err(|error| Failure::because(Code::Usage, format!("not a key: {text}"), error))
    };
    let keys = keys.iter().map(key).collect::<Result<Vec<_>, _>>()?;
    TrustedKeys::new(keys).map_err(|error| Failure::because(Code::Usage, "the keys can't be used together", error))
}

fn earlier(path: &Path, trusted: &TrustedKeys) -> Result<VerifiedCheckpoint, Failure> {
    let what = || format!("the earlier checkpoint {} can't be read", path.display());
    let mut text = String::new();
    File::open(path).attempt(what)?.take(CHECKPOINT_BYTES_MAX + 1).read_to_string(&mut text).attempt(what)?;
    let refuted = |error| Failure::because(Code::AuditRefuted, "the earlier checkpoint is not of this log", error);
    SignedCheckpoint::parse(&text).and_then(|checkpoint| checkpoint.verify(trusted)).map_err(refuted)
}

fn export(
    file: BufReader<File>,
    trusted: &TrustedKeys,
    earlier: Option<&VerifiedCheckpoint>,
) -> Result<VerifiedDocument, Failure> {
    let earlier = earlier.map(VerifiedCheckpoint::checkpoint);
    let report = verify_export(ExportLines::new(file), trusted, earlier).map_err(|error| {
        let code =
            if matches!(error, VerifyError::Unreadable { .. }) { Code::VolumeFailed } else { Code::AuditRefuted };
        Failure::because(code, "the audit log is not what was signed", error)
    })?;
    Ok(VerifiedDocument {
        ok: true,
        document: "export",
        origin: report.origin.to_string(),
        events: report.head.size.0,
        root: report.head.root.to_string(),
        checkpoints: report.checkpoints,
        leaf: None,
        event: None,
    })
}

fn proof(file: BufReader<File>, trusted: &TrustedKeys) -> Result<VerifiedDocument, Failure> {
    let mut text = String::new();
    let bound = u64::try_from(PROOF_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    file.take(bound).read_to_string(&mut text).attempt(|| "the proof can't be read")?;
    let proven = EventProof::parse(&text).and_then(|proof| proof.verify(trusted));
    let proven = proven.map_err(|error| Failure::because(Code::AuditRefuted, "the event is not proven", error))?;
    let head = proven.checkpoint.checkpoint().head();
    Ok(VerifiedDocument {
        ok: true,
        document: "proof",
        origin: proven.checkpoint.checkpoint().origin().to_string(),
        events: head.size.0,
        root: head.root.to_string(),
        checkpoints: 1,
        leaf: Some(proven.leaf.0),
        event: Some(serde_json::to_value(&proven.event).attempt(|| "the event can't be shown")?),
    })
}
