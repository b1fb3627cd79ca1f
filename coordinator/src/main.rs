//! A member of the coordinator as a program of its own: for hosts that run nothing else.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use strongroom_coordinator::daemon::join::chain_of;
use strongroom_coordinator::daemon::notify::Notify;
use strongroom_coordinator::daemon::process::run_verb;
use strongroom_coordinator::daemon::{Machine, Verb};
use strongroom_platform::clock::SystemClock;
use strongroom_platform::rng::SystemEntropy;

/// A member of Strongroom's coordinator.
#[derive(Debug, Parser)]
#[command(name = "strongroom-coordinator", version, about, disable_help_subcommand = true)]
struct Arguments {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::INFO);
    log.with_target(false).with_ansi(false).init();
    let variable = |name| std::env::var(name).ok();
    let notify = Notify::new(variable("NOTIFY_SOCKET").as_deref(), variable("WATCHDOG_USEC").as_deref());
    let machine = Machine { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) };
    match run_verb(&arguments.verb, &machine, &notify) {
        Ok(done) => {
            for line in done.lines {
                // A reader that went away is no failure.
                let _ = writeln!(std::io::stdout(), "{line}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            let code = error.code();
            // There is nowhere left to say that stderr is closed.
            let _ = writeln!(std::io::stderr(), "error {code}: {}\n  next: {}", chain_of(&error), code.remedy());
            ExitCode::from(code.exit())
        }
    }
}
