//! `coordinator recover`: what is left of a group, what would be lost, and the first member of a new epoch.
//!
//! ```text
//!   folders of members ──┐
//!                        ├──► what is left ──► plan ──► shown ──► consent to its digest ──► new folder
//!   backup of the state ─┘         ▲
//!   depot ── its heads ────────────┘
//! ```
//!
//! Owns the guidance: everything that can be known is shown before anybody is asked, and nothing is written before
//! somebody consented to exactly that. What is given is only read.

mod document;
mod left;

use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;

use strongroom_coordinator::daemon::recover::{Recovered, Successor};
use strongroom_coordinator::daemon::settings::Timing;
use strongroom_coordinator::daemon::{Machine, Settings};
use strongroom_core::error::Code;
use zeroize::Zeroizing;

use crate::app::App;
use crate::args::recovery::Recover;
use crate::failure::{Attempt as _, Exit, Failure};
use document::Shown;
use left::Left;

/// What is typed to consent.
const WORD: &str = "recover";

/// Shows the plan, and carries it out if somebody consents.
pub(super) fn run(options: &Recover, app: &App) -> Result<Exit, Failure> {
    let mut left = Left::gather(options)?;
    let mut shown = Shown::of(&left)?;
    shown.to_people(app);
    if options.plan {
        shown.to_programs(app);
        return Ok(Exit::Done);
    }
    let (Some(folder), Some(root_key)) = (&options.folder, &options.root_key) else {
        return Err(Failure::new(Code::Usage, "the new folder and --root-key are needed, unless --plan is given"));
    };
    let root = std::fs::read_to_string(root_key).map(Zeroizing::new);
    let root = root.attempt(|| format!("{} can't be read", root_key.display()))?;
    let settings = settings(options, &left)?;
    let refused = || "the group can't be founded anew like this";
    let successor = Successor::check(left.rows(), settings, options.operator.as_deref(), &root).attempt(refused)?;
    left.require_root(&successor.root_certificate())?;
    consent(options, &shown.digest())?;
    let recovered = begin(folder, successor, &mut left, app)?;
    shown.is_done(&recovered);
    tell(folder, &recovered, app);
    shown.to_programs(app);
    Ok(Exit::Done)
}

fn settings(options: &Recover, left: &Left) -> Result<Settings, Failure> {
    let (Some(name), Some(listen)) = (&options.name, &options.listen) else {
        return Err(Failure::new(Code::Usage, "--name and --listen are needed, unless --plan is given"));
    };
    let region = options.region.clone().or_else(|| left.region()).ok_or_else(|| {
        let failure = Failure::new(Code::Usage, "no region is named for the new member");
        failure.advise("Give --region, one that the group knows.")
    })?;
    let mut settings = Settings::new(name, &region, listen, options.advertise.as_ref().unwrap_or(listen));
    settings.health.clone_from(&options.health);
    settings.timing = if options.wan { Timing::Wan } else { Timing::Lan };
    Ok(settings)
}

/// Somebody consents to exactly this plan.
fn consent(options: &Recover, digest: &str) -> Result<(), Failure> {
    if let Some(given) = &options.yes {
        if given == digest {
            return Ok(());
        }
        return Err(Failure::new(
            Code::RecoveryUnconsented,
            format!("the plan is {digest}, and {given} was consented to"),
        ));
    }
    let unconsented = |what: &str| Failure::new(Code::RecoveryUnconsented, what.to_owned());
    if !std::io::stdin().is_terminal() {
        return Err(unconsented("the group would be founded anew, and nobody is there to consent"));
    }
    let question = format!(
        "No other member of the old group may ever run again, and what is lost is lost.\nType `{WORD}` to found the group anew:"
    );
    crate::render::write_err(&question);
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).attempt(|| "can't read the answer")?;
    if answer.trim() == WORD { Ok(()) } else { Err(unconsented("nothing was done")) }
}

fn begin(folder: &Path, successor: Successor, left: &mut Left, app: &App) -> Result<Recovered, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.attempt(|| "threads and timers are not to be had")?;
    let machine = Machine { clock: app.clock.clone(), entropy: app.entropy.clone() };
    let heritage = left.heritage()?;
    let what = || format!("{} does not hold a new member", folder.display());
    match left {
        Left::Survivors { chosen, .. } => {
            runtime.block_on(successor.begin(folder, &heritage, chosen.pages(), &machine)).attempt(what)
        }
        Left::Backup { file, .. } => {
            let mut reader = file.reader()?;
            runtime.block_on(successor.begin(folder, &heritage, reader.pages(), &machine)).attempt(what)
        }
    }
}

fn tell(folder: &Path, recovered: &Recovered, app: &App) {
    let (identity, folder) = (recovered.identity, folder.display());
    for line in [
        format!("{folder} holds member {}, which begins epoch {} of the group.", identity.member, identity.epoch),
        format!(
            "{folder}/operator is the identity of {}, good for half a day. Move it to that operator.",
            recovered.operator
        ),
        format!("Run it with `strongroom coordinator run {folder}`, and let the others join from empty folders."),
        "Leave the old folders as they are until all is well, and start none of them.".to_owned(),
    ] {
        app.output.result(line);
    }
}
