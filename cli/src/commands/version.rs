//! `version`.

use serde::Serialize;

use crate::app::App;
use crate::failure::Exit;
use crate::render::json::Schema;

#[derive(Serialize)]
struct Version {
    name: &'static str,
    version: &'static str,
}

/// Prints the version.
pub(super) fn run(app: &App) -> Exit {
    let version = Version { name: "strongroom", version: env!("CARGO_PKG_VERSION") };
    app.output.result(format!("{} {}", version.name, version.version));
    app.output.document(Schema::Version, &version);
    Exit::Done
}
