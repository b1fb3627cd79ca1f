//! The operator's command: reads the command line, runs one verb, and turns what became of it into an exit code.

mod app;
mod args;
mod commands;
mod config;
mod endpoint;
mod group;
mod failure;
mod outlook;
mod passphrase;
mod profiles;
mod remains;
mod render;
mod room;
mod sources;

use std::process::ExitCode;

use clap::Parser as _;

use crate::app::App;
use crate::args::Arguments;
use crate::render::Output;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return ExitCode::from(render::error::usage(&error)),
    };
    let output = Output::new(&arguments.global);
    let ended = App::new(&arguments.global, output.clone()).and_then(|app| commands::run(&arguments.verb, &app));
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.code().exit())
        }
    }
}
