//! `schedule …`: what is promised for sources, when their runs come, and runs by hand.
//!
//! A contract is checked here before it is asked for, by the rules that the group goes by. A source always has one, made
//! when it was registered; what stops it is a pause.

mod contract;
mod show;
mod words;

use serde::Serialize;
use strongroom_core::entropy::random_array;
use strongroom_core::error::Code;
use strongroom_proto::client::Said;
use strongroom_proto::common::v1::Failure as Refused;
use strongroom_proto::operators::v1::execute_request::Command;
use strongroom_proto::operators::v1::operators_client::OperatorsClient;
use strongroom_proto::operators::v1::{
    CallOffRun, GetSourceRequest, PauseSource, RequestRun, SetContract, SetHostGroupCap, SourceDetails, SourceRow,
    get_source_reply,
};
use tonic::transport::Channel;

use crate::app::App;
use crate::args::operator::Asked;
use crate::args::schedule::{ScheduleCap, ScheduleOne, ScheduleRun, ScheduleSet, ScheduleStop, ScheduleVerb};
use crate::failure::{Attempt as _, Exit, Failure};
use crate::group::Group;
use crate::render::json::Schema;
use crate::render::table::Table;

/// What was done, for programs.
#[derive(Serialize)]
struct ChangeDocument<'a> {
    action: &'static str,
    source: &'a str,
    name: &'a str,
    /// The run that was asked for, or called off.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    /// The keys of the contract that differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<KeyChange>,
    /// Whether it was done, and not only shown.
    done: bool,
}

/// A key of a contract, before and after.
#[derive(Serialize)]
struct KeyChange {
    key: String,
    before: String,
    after: String,
}

/// Runs a verb.
pub(super) fn run(verb: &ScheduleVerb, app: &App) -> Result<Exit, Failure> {
    match verb {
        ScheduleVerb::Set(options) => set(options, app),
        ScheduleVerb::Show(options) => show::one(options, app),
        ScheduleVerb::Ls(cluster) => show::all(cluster, app),
        ScheduleVerb::Next(cluster) => show::next(cluster, app),
        ScheduleVerb::Run(options) => by_hand(options, app),
        ScheduleVerb::Stop(options) => stop(options, app),
        ScheduleVerb::Pause(options) => pause(options, true, app),
        ScheduleVerb::Resume(options) => pause(options, false, app),
        ScheduleVerb::Cap(options) => cap(options, app),
    }
}

/// A source that a verb is about.
struct Named {
    group: Group,
    row: SourceRow,
    details: SourceDetails,
}

impl Named {
    fn open(source: &str, asked: &Asked, app: &App) -> Result<Self, Failure> {
        let mut group = Group::open(&asked.cluster, app)?;
        let (row, details) = details(&mut group, source)?;
        Ok(Self { group, row, details })
    }

    fn name(&self) -> &str {
        name(&self.row)
    }

    fn id(&self) -> Result<Vec<u8>, Failure> {
        bytes(&self.row.source)
    }

    /// Asks for a command, unless it is only to be shown.
    fn ask(&mut self, asked: &Asked, command: Command, what: &str) -> Result<(), Failure> {
        if asked.plan { Ok(()) } else { self.group.execute(command, what) }
    }

    fn tell(
        &self,
        app: &App,
        asked: &Asked,
        action: &'static str,
        run: Option<String>,
        changes: Vec<KeyChange>,
    ) -> Exit {
        let (source, name, done) = (self.row.source.as_str(), self.name(), !asked.plan);
        if done {
            app.output.result(format!("Done: {action} {name}."));
        }
        app.output.document(Schema::ScheduleChange, &ChangeDocument { action, source, name, run, changes, done });
        Exit::Done
    }
}

fn name(row: &SourceRow) -> &str {
    row.facts.as_ref().map_or(row.source.as_str(), |facts| facts.name.as_str())
}

/// The bytes of an id that the group has named.
fn bytes(id: &str) -> Result<Vec<u8>, Failure> {
    hex::decode(id).map_err(|_| Failure::new(Code::GroupRefused, "the group names an id in an odd way"))
}

/// A source with its contract.
fn details(group: &mut Group, source: &str) -> Result<(SourceRow, SourceDetails), Failure> {
    let request = GetSourceRequest { source: source.to_owned() };
    let what = format!("the source {source} is not known");
    let details = group.read(&what, |client| ask_source(client, request.clone()))?;
    let row = details.row.clone().ok_or_else(|| Failure::new(Code::GroupRefused, what))?;
    Ok((row, details))
}

async fn ask_source(mut client: OperatorsClient<Channel>, request: GetSourceRequest) -> Said<SourceDetails> {
    Ok(match client.get_source(request).await?.into_inner().result {
        Some(get_source_reply::Result::Source(source)) => Ok(source),
        Some(get_source_reply::Result::Failure(failure)) => Err(failure),
        None => Err(Refused::default()),
    })
}

fn set(options: &ScheduleSet, app: &App) -> Result<Exit, Failure> {
    let from_file = options.file.as_deref().map(contract::of_file).transpose()?;
    let mut named = Named::open(&options.source, &options.asked, app)?;
    let before = contract::decoded(&named.details.contract)?;
    let after = match from_file {
        Some(contract) => contract,
        None => contract::changed(before.clone(), &options.terms)?,
    };
    contract::checked(&after)?;
    let changes: Vec<KeyChange> = contract::differences(&before, &after)
        .into_iter()
        .map(|(key, before, after)| KeyChange { key, before, after })
        .collect();
    if changes.is_empty() {
        app.output.say(format!("The contract of {} says that already.", named.name()));
        return Ok(named.tell(app, &options.asked, "set", None, changes));
    }
    let mut table = Table::new(&["key", "before", "after"]);
    for it in &changes {
        table.row([&it.key, &it.before, &it.after]);
    }
    app.output.table(&table);
    let contract = serde_json::to_vec(&after).attempt(|| "the contract can't be written")?;
    let command = Command::SetContract(SetContract { source: named.id()?, contract });
    let what = format!("the contract of {} is as it was", named.name());
    named.ask(&options.asked, command, &what)?;
    Ok(named.tell(app, &options.asked, "set", None, changes))
}

fn by_hand(options: &ScheduleRun, app: &App) -> Result<Exit, Failure> {
    let mut named = Named::open(&options.source, &options.asked, app)?;
    if named.group.is_room() {
        let failure = Failure::new(Code::Usage, "no agent takes runs in a room: it is one process");
        return Err(failure.advise(format!("Take the snapshot here: strongroom backup {}", named.name())));
    }
    let run: [u8; 16] = random_array(app.entropy.as_ref()).attempt(|| "no random number for a run")?;
    let source = named.id()?;
    let command = Command::RequestRun(RequestRun { run: run.to_vec(), source, is_forced: options.force });
    let past = if options.force { ", whatever blackouts and caps say" } else { "" };
    app.output.say(format!("A run of {} is to start as soon as its agent takes it{past}.", named.name()));
    let what = format!("no run of {} was asked for", named.name());
    named.ask(&options.asked, command, &what)?;
    let run = (!options.asked.plan).then(|| hex::encode(run));
    Ok(named.tell(app, &options.asked, "run", run, Vec::new()))
}

fn stop(options: &ScheduleStop, app: &App) -> Result<Exit, Failure> {
    let mut named = Named::open(&options.source, &options.asked, app)?;
    let runs = [&named.row.running, &named.row.queued];
    let Some(run) = runs.into_iter().find(|run| !run.is_empty()).cloned() else {
        let what = format!("no run of {} is under way, and none waits", named.name());
        return Err(Failure::new(Code::NotFound, what).advise("Nothing needs doing."));
    };
    app.output.say(format!("Run {run} of {} is to be called off.", named.name()));
    let command = Command::CallOffRun(CallOffRun { run: bytes(&run)? });
    named.ask(&options.asked, command, &format!("run {run} was not called off"))?;
    Ok(named.tell(app, &options.asked, "stop", Some(run), Vec::new()))
}

fn pause(options: &ScheduleOne, is_paused: bool, app: &App) -> Result<Exit, Failure> {
    let mut named = Named::open(&options.source, &options.asked, app)?;
    let (action, says) = if is_paused { ("pause", "by hand only") } else { ("resume", "by its contract") };
    app.output.say(format!("{} is to run {says} from now on.", named.name()));
    let command = Command::PauseSource(PauseSource { source: named.id()?, is_paused });
    let what = format!("{} is as it was", named.name());
    named.ask(&options.asked, command, &what)?;
    Ok(named.tell(app, &options.asked, action, None, Vec::new()))
}

fn cap(options: &ScheduleCap, app: &App) -> Result<Exit, Failure> {
    let mut named = Named::open(&options.source, &options.asked, app)?;
    let host_group = named.row.facts.as_ref().map(|facts| facts.host_group.clone()).unwrap_or_default();
    let (name, cap) = (named.name(), u32::from(options.cap));
    app.output.say(format!("The hosts of {name}, which other sources may share, are to bear {cap} at once."));
    let command = Command::SetHostGroupCap(SetHostGroupCap { host_group, cap });
    let what = format!("the hosts of {name} bear as many as before");
    named.ask(&options.asked, command, &what)?;
    Ok(named.tell(app, &options.asked, "cap", None, Vec::new()))
}
