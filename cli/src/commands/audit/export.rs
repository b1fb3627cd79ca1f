//! `audit export`: the whole log, up to its newest checkpoint, as a document that is checked with nothing else at hand.
//!
//! What the group hands out is believed by nobody: the root of what was received must be that of the checkpoint, or
//! nothing is finished.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::Serialize;
use strongroom_core::audit::{AuditEvent, ExportWriter, KeyName, SignedCheckpoint, VerifierKey};
use strongroom_core::error::Code;
use strongroom_proto::client::Said;
use strongroom_proto::common::v1::Failure as Refused;
use strongroom_proto::operators::v1::operators_client::OperatorsClient;
use strongroom_proto::operators::v1::{
    AuditStanding, Events, GetCheckpointRequest, ListEventsRequest, get_checkpoint_reply, list_events_reply,
};
use tonic::transport::Channel;

use crate::app::App;
use crate::args::audit::AuditExport;
use crate::failure::{Attempt as _, Exit, Failure};
use crate::group::Group;
use crate::render::json::Schema;
use crate::render::stdout_sink;

/// What was exported, for programs.
#[derive(Serialize)]
struct ExportedDocument<'a> {
    origin: &'a str,
    events: u64,
    file: String,
    keys: &'a [String],
}

/// Exports the log.
pub(super) fn run(options: &AuditExport, app: &App) -> Result<Exit, Failure> {
    let mut group = Group::open(&options.cluster, app)?;
    let standing = group.read("what the log promises is not known", checkpoint)?;
    if standing.checkpoint.is_empty() {
        let failure = Failure::new(Code::Busy, "no checkpoint of the audit log is signed yet");
        return Err(failure.advise("Ask again in some seconds: the leader signs as soon as there is an event."));
    }
    let Some(path) = &options.output else {
        let mut out = BufWriter::new(stdout_sink());
        stream(&mut group, &standing, &mut out)?;
        return out.flush().attempt(|| "the export can't be written").map(|()| Exit::Done);
    };
    let events = to_file(path, &mut group, &standing)?;
    app.output.result(format!("Wrote {events} events to {}.", path.display()));
    let (origin, file) = (standing.origin.as_str(), path.display().to_string());
    app.output.document(Schema::AuditExported, &ExportedDocument { origin, events, file, keys: &standing.keys });
    Ok(Exit::Done)
}

/// Writes a new file; what is not finished is taken away again.
fn to_file(path: &Path, group: &mut Group, standing: &AuditStanding) -> Result<u64, Failure> {
    let what = || format!("{} can't be written", path.display());
    let mut out = BufWriter::new(File::create_new(path).attempt(what)?);
    let written = stream(group, standing, &mut out).and_then(|events| {
        out.flush().attempt(what)?;
        out.get_ref().sync_all().attempt(what)?;
        Ok(events)
    });
    if written.is_err() {
        // What is left of it would be refused by `audit verify` anyway.
        drop(std::fs::remove_file(path));
    }
    written
}

fn stream(group: &mut Group, standing: &AuditStanding, out: &mut impl Write) -> Result<u64, Failure> {
    let checkpoint = SignedCheckpoint::parse(&standing.checkpoint).map_err(unfit)?;
    let size = checkpoint.unverified().head().size.0;
    let keys = standing.keys.iter().map(|key| key.parse::<VerifierKey>()).collect::<Result<_, _>>().map_err(unfit)?;
    let origin = KeyName::new(&standing.origin).map_err(unfit)?;
    let (mut writer, header) = ExportWriter::start(origin, keys).map_err(unfit)?;
    write(out, &header)?;
    while writer.events().0 < size {
        let from = writer.events().0;
        let page = group.read("the events can't be read", |client| events(client, from, 0))?;
        if page.from != from || page.events.is_empty() {
            return Err(Failure::new(Code::AuditRefuted, format!("the group hands out no event {from}")));
        }
        let wanted = usize::try_from(size - from).unwrap_or(usize::MAX);
        for bytes in page.events.iter().take(wanted) {
            let event = AuditEvent::decode(bytes).map_err(unfit)?;
            write(out, &writer.event(event).map_err(unfit)?)?;
        }
    }
    write(out, &writer.checkpoint(checkpoint).map_err(unfit)?)?;
    write(out, &writer.finish().map_err(unfit)?)?;
    Ok(size)
}

/// Writes a part of a document.
pub(super) fn write(out: &mut impl Write, text: &str) -> Result<(), Failure> {
    out.write_all(text.as_bytes()).attempt(|| "the export can't be written")
}

fn unfit(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::because(Code::AuditRefuted, "what the group hands out is not what it signed", error)
}

/// What the log promises.
pub(in crate::commands) async fn checkpoint(mut client: OperatorsClient<Channel>) -> Said<AuditStanding> {
    Ok(match client.get_checkpoint(GetCheckpointRequest {}).await?.into_inner().result {
        Some(get_checkpoint_reply::Result::Standing(standing)) => Ok(standing),
        Some(get_checkpoint_reply::Result::Failure(failure)) => Err(failure),
        None => Err(Refused::default()),
    })
}

/// Events from a place on; a limit of 0 is as many as one answer takes.
pub(in crate::commands) async fn events(mut client: OperatorsClient<Channel>, from: u64, limit: u32) -> Said<Events> {
    Ok(match client.list_events(ListEventsRequest { from, limit }).await?.into_inner().result {
        Some(list_events_reply::Result::Events(events)) => Ok(events),
        Some(list_events_reply::Result::Failure(failure)) => Err(failure),
        None => Err(Refused::default()),
    })
}
