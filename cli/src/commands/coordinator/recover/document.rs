//! What is left and what would be done, for people and for programs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use strongroom_coordinator::daemon::recover::Recovered;
use strongroom_coordinator::recovery::{Plan, Survey};
use strongroom_coordinator::state::refounding::RefoundedFrom;

use super::left::Left;
use crate::app::App;
use crate::commands::coordinator::backup::shown_time;
use crate::failure::Failure;
use crate::render::json::Schema;
use crate::render::table::Table;

/// What is left and what would be done.
#[derive(Serialize)]
pub(super) struct Shown {
    digest: String,
    survivors: Vec<ShownSurvivor>,
    unread: Vec<Unread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<ShownBackup>,
    plan: Plan,
    /// Of each source what a depot holds and the catalogue lacks; absent if no depot was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    lacking: Option<Vec<ShownLacking>>,
    done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<String>,
}

#[derive(Serialize)]
struct ShownSurvivor {
    folder: PathBuf,
    sound: bool,
    #[serde(flatten)]
    survey: Survey,
}

#[derive(Serialize)]
struct Unread {
    folder: PathBuf,
    why: String,
}

#[derive(Serialize)]
struct ShownBackup {
    file: String,
    taken: String,
}

#[derive(Serialize)]
struct ShownLacking {
    source: String,
    first: u64,
    last: u64,
}

impl Shown {
    /// What is shown of what is left.
    pub(super) fn of(left: &Left) -> Result<Self, Failure> {
        let (mut survivors, mut unread, mut backup) = (Vec::new(), Vec::new(), None);
        match left {
            Left::Survivors { surveys, unread: missed, .. } => {
                for (folder, survey) in surveys {
                    let (folder, survey, sound) = (folder.clone(), survey.clone(), survey.is_sound());
                    survivors.push(ShownSurvivor { folder, sound, survey });
                }
                unread.extend(missed.iter().map(|(folder, why)| Unread { folder: folder.clone(), why: why.clone() }));
            }
            Left::Backup { file, header, .. } => {
                backup = Some(ShownBackup { file: file.shown(), taken: shown_time(header.taken) });
            }
        }
        let shown =
            |it: super::left::Lacking| ShownLacking { source: it.source.to_string(), first: it.first, last: it.last };
        let lacking = left.lacking()?.map(|all| all.into_iter().map(shown).collect());
        let plan = left.plan().clone();
        let digest = plan.digest();
        Ok(Self { digest, survivors, unread, backup, plan, lacking, done: false, member: None, operator: None })
    }

    /// What is consented to.
    pub(super) fn digest(&self) -> String {
        self.digest.clone()
    }

    /// The plan was carried out.
    pub(super) fn is_done(&mut self, recovered: &Recovered) {
        self.done = true;
        self.member = Some(recovered.identity.member.to_string());
        self.operator = Some(recovered.operator.to_string());
    }

    /// The one document for programs.
    pub(super) fn to_programs(&self, app: &App) {
        app.output.document(Schema::Recovery, self);
    }

    /// All of it for people, before anybody is asked.
    pub(super) fn to_people(&self, app: &App) {
        let output = &app.output;
        self.what_is_left(app);
        let plan = &self.plan;
        let from = match plan.from {
            RefoundedFrom::Survivor(member) => format!("the log of member {member}"),
            RefoundedFrom::Backup(member) => format!("the backup that member {member} wrote"),
        };
        output.heading("What would be done");
        output.result(format!("Group {} would begin epoch {} with {from}.", plan.cluster, plan.epoch));
        let (stands, term) = (plan.stands.index, plan.stands.term);
        output.result(format!(
            "It would go on behind entry {stands} of term {term}, with {} snapshots and {} events of the audit log.",
            plan.snapshots, plan.audit_events
        ));
        output.heading("What may be lost");
        output.result(format!("Entries from {} on, if there were any.", stands.next()));
        if !plan.absent.is_empty() {
            let absent = plan.absent.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            output.result(format!("What only these voters had, who were not found or can't be relied on: {absent}."));
        }
        for dropped in &plan.dropped {
            output.result(format!(
                "Entries {} to {} of member {}, which the chosen log lacks; not known to be agreed on there: {}.",
                dropped.first,
                dropped.last,
                dropped.member,
                kinds(&dropped.unsettled)
            ));
        }
        if !plan.unsettled.is_empty() {
            output.result(format!(
                "Kept, though nobody knows whether it was agreed on (entries {} to {stands}): {}.",
                plan.agreed.index.next(),
                kinds(&plan.unsettled)
            ));
        }
        for lacking in self.lacking.iter().flatten() {
            output.result(format!(
                "The depot holds snapshots {} to {} of source {}, which the catalogue lacks.",
                lacking.first, lacking.last, lacking.source
            ));
        }
        for warning in &plan.warnings {
            output.warn(warning);
        }
        output.result(format!("The plan's digest is {}.", self.digest));
    }

    fn what_is_left(&self, app: &App) {
        let output = &app.output;
        output.heading("What is left");
        if let Some(backup) = &self.backup {
            output.result(format!("{}, taken at {}.", backup.file, backup.taken));
            return;
        }
        let mut table = Table::new(&["folder", "member", "#epoch", "state", "#agreed", "#last", "#term"]);
        for ShownSurvivor { folder, sound, survey } in &self.survivors {
            let last = survey.last();
            table.row([
                folder.display().to_string().as_str(),
                &survey.member.to_string(),
                &survey.epoch.to_string(),
                if *sound { "sound" } else { "DAMAGED" },
                &survey.agreed.index.to_string(),
                &last.index.to_string(),
                &last.term.to_string(),
            ]);
        }
        output.table(&table);
        for Unread { folder, why } in &self.unread {
            output.warn(format!("{}: {why}", folder.display()));
        }
    }
}

fn kinds(kinds: &BTreeMap<String, u64>) -> String {
    if kinds.is_empty() {
        return "nothing".to_owned();
    }
    kinds.iter().map(|(kind, number)| format!("{number} {kind}")).collect::<Vec<_>>().join(", ")
}
