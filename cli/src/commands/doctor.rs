//! `doctor`: checks of the room, its surroundings and the way to the sources, each with what to do about it.

mod checks;
mod group;

use serde::Serialize;
use strongroom_core::error::Code;

use crate::app::App;
use crate::failure::Exit;
use crate::render::json::Schema;
use crate::render::text;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// It works, and somebody should look.
    Warning,
    /// It does not work.
    Failed,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Check {
    #[serde(rename = "check")]
    pub(super) name: &'static str,
    pub(super) state: State,
    pub(super) message: String,
    pub(super) remedy: Option<String>,
}

impl Check {
    fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, state: State::Ok, message: message.into(), remedy: None }
    }

    fn warning(name: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, state: State::Warning, message: message.into(), remedy: Some(remedy.into()) }
    }

    fn failed(name: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, state: State::Failed, message: message.into(), remedy: Some(remedy.into()) }
    }
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    checks: Vec<Check>,
}

/// Runs all checks.
pub(super) fn run(app: &App) -> Exit {
    let checks = checks::all(app);
    let ok = checks.iter().all(|check| check.state != State::Failed);
    for check in &checks {
        let word = match check.state {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Failed => "FAILED",
        };
        app.output.result(format!("{word:<8} {:<20} {}", check.name, text::shown(&check.message)));
        if let Some(remedy) = &check.remedy {
            app.output.result(format!("{:<29} → {}", "", text::shown(remedy)));
        }
    }
    // A room that is not there has the code that every other verb gives for it.
    let code = if checks.iter().any(|check| check.name == "room" && check.state == State::Failed) {
        Code::NoRoom
    } else {
        Code::VolumeFailed
    };
    app.output.document(Schema::Doctor, &Report { ok, checks });
    if ok { Exit::Done } else { Exit::Found(code) }
}
