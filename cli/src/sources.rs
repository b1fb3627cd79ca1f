//! Sources and targets by their URLs: which engine a URL means, how it is shown, and what it is called by itself.
//!
//! A URL may hold a password. It is shown through [`shown`] only.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use strongroom_agent::files::{FilesLocation, FilesSource, FilesTarget};
use strongroom_agent::live::LiveTarget;
use strongroom_agent::postgres::{PostgresLive, PostgresOptions, PostgresSource, PostgresTarget};
use strongroom_agent::source::{Finding, Severity, Source};
use strongroom_agent::sqlite::{
    SqliteLive, SqliteLocation, SqliteSource, SqliteTarget, broken_references as broken_in_sqlite,
};
use strongroom_agent::target::Target;
use strongroom_coordinator::state::sources::Engine as GroupEngine;
use strongroom_core::error::Code;
use strongroom_platform::clock::Clock;
use url::Url;

use crate::failure::{Attempt as _, Failure};

/// An engine that a URL can mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// `postgres://` and `postgresql://`.
    Postgres,
    /// `sqlite:PATH`.
    Sqlite,
    /// `file:PATH`.
    Files,
}

impl Engine {
    /// The engine that a URL's scheme means.
    fn of_scheme(url: &str) -> Option<Self> {
        match url.split_once(':')?.0 {
            "postgres" | "postgresql" => Some(Self::Postgres),
            "sqlite" => Some(Self::Sqlite),
            "file" => Some(Self::Files),
            _ => None,
        }
    }

    /// The engine as the group knows it.
    pub(crate) const fn of_group(self) -> GroupEngine {
        match self {
            Self::Postgres => GroupEngine::PostgreSql,
            Self::Sqlite => GroupEngine::Sqlite,
            Self::Files => GroupEngine::Files,
        }
    }

    /// The engine that a URL means.
    pub(crate) fn of(url: &str) -> Result<Self, Failure> {
        Self::of_scheme(url).ok_or_else(|| {
            Failure::new(Code::Usage, format!("{} is no URL of a source", shown(url)))
                .advise("Give postgres://USER@HOST/DATABASE, sqlite:PATH or file:PATH.")
        })
    }
}

/// Whether a text is meant as a URL and not as a source's name.
pub(crate) fn is_url(text: &str) -> bool {
    text.contains(':')
}

/// The URL as it is kept: a relative path would mean something else in another folder.
pub(crate) fn absolute(url: &str) -> Result<String, Failure> {
    let what = || "the source's URL can't be used";
    let (scheme, path) = match Engine::of(url)? {
        Engine::Postgres => return Ok(url.to_owned()),
        Engine::Sqlite => ("sqlite", SqliteLocation::parse(url).attempt(what)?.path().to_owned()),
        Engine::Files => ("file", FilesLocation::parse(url).attempt(what)?.path().to_owned()),
    };
    let path = std::path::absolute(path).attempt(|| format!("{url} leads nowhere"))?;
    Ok(format!("{scheme}:{}", path.display()))
}

/// Whether a URL is nothing but a path behind its scheme, so that it holds no secret and no options.
fn is_path(url: &str) -> bool {
    matches!(Engine::of_scheme(url), Some(Engine::Sqlite | Engine::Files))
}

/// The file of a source that is one, if it is not there.
pub(crate) fn missing_file(url: &str) -> Option<PathBuf> {
    if Engine::of(url).ok()? != Engine::Sqlite {
        return None;
    }
    let location = SqliteLocation::parse(url).ok()?;
    (!location.path().exists()).then(|| location.path().to_owned())
}

/// The source behind a URL. Nothing is opened yet.
pub(crate) fn source(url: &str, password: Option<&str>, clock: &Arc<dyn Clock>) -> Result<Box<dyn Source>, Failure> {
    open_source(url, password, clock, None)
}

/// What reading all of a source needs beside it.
pub(crate) struct Beside<'a> {
    /// A folder of the source's own, for copies that hold still.
    pub(crate) spool: &'a Path,
    /// The room's folder, which no snapshot of the room holds.
    pub(crate) room: &'a Path,
}

/// The same source for whoever reads all of it.
pub(crate) fn source_beside(
    url: &str,
    password: Option<&str>,
    clock: &Arc<dyn Clock>,
    beside: &Beside<'_>,
) -> Result<Box<dyn Source>, Failure> {
    open_source(url, password, clock, Some(beside))
}

fn open_source(
    url: &str,
    password: Option<&str>,
    clock: &Arc<dyn Clock>,
    beside: Option<&Beside<'_>>,
) -> Result<Box<dyn Source>, Failure> {
    let what = || format!("the source {} can't be used", shown(url));
    Ok(match Engine::of(url)? {
        Engine::Postgres => Box::new(PostgresSource::new(url, postgres_options(password)).attempt(what)?),
        Engine::Sqlite => {
            let source = SqliteSource::from_url(url, Arc::clone(clock)).attempt(what)?;
            Box::new(if let Some(beside) = beside { source.with_copies_in(beside.spool) } else { source })
        }
        Engine::Files => {
            let source = FilesSource::from_url(url).attempt(what)?;
            Box::new(match beside {
                Some(beside) => source.with_copies_in(beside.spool).without(beside.room),
                None => source,
            })
        }
    })
}

/// The target behind a URL. Nothing is opened yet.
pub(crate) fn target(url: &str, password: Option<&str>, clock: &Arc<dyn Clock>) -> Result<Box<dyn Target>, Failure> {
    let what = || format!("the target {} can't be used", shown(url));
    Ok(match Engine::of(url)? {
        Engine::Postgres => Box::new(PostgresTarget::new(url, postgres_options(password)).attempt(what)?),
        Engine::Sqlite => Box::new(SqliteTarget::from_url(url, Arc::clone(clock)).attempt(what)?),
        Engine::Files => Box::new(FilesTarget::from_url(url).attempt(what)?),
    })
}

/// The database in use behind a URL. Nothing is opened yet.
pub(crate) fn live(url: &str, password: Option<&str>) -> Result<Box<dyn LiveTarget>, Failure> {
    let what = || format!("the target {} can't be used", shown(url));
    Ok(match Engine::of(url)? {
        Engine::Postgres => Box::new(PostgresLive::new(url, &postgres_options(password)).attempt(what)?),
        Engine::Sqlite => Box::new(SqliteLive::from_url(url).attempt(what)?),
        Engine::Files => {
            return Err(Failure::new(Code::Usage, format!("single entries can't be restored into {}", shown(url)))
                .advise("Restore the whole tree into an empty folder, and take from it what is needed."));
        }
    })
}

/// What a PostgreSQL source is told beside its URL.
pub(crate) fn postgres_options(password: Option<&str>) -> PostgresOptions {
    PostgresOptions { password: password.map(str::to_owned), ..PostgresOptions::default() }
}

/// References of a restored database that lead nowhere, as its own engine counts them. What can't be counted is told in
/// findings: it says nothing about the restore.
pub(crate) fn broken_references(url: &str) -> (Option<u64>, Vec<Finding>) {
    if Engine::of_scheme(url) != Some(Engine::Sqlite) {
        // PostgreSQL checked every constraint as it was made, and files have none.
        return (Some(0), Vec::new());
    }
    match SqliteLocation::parse(url).and_then(|location| broken_in_sqlite(&location)) {
        Ok(broken) => (Some(broken.count), broken.findings),
        Err(error) => {
            let message = format!("what was restored is in place, but its references could not be checked: {error}");
            (None, vec![Finding { severity: Severity::Warning, subject: shown(url), message }])
        }
    }
}

/// A URL without its secrets.
pub(crate) fn shown(url: &str) -> String {
    if is_path(url) {
        return url.to_owned();
    }
    let Ok(mut parsed) = Url::parse(url) else {
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        return format!("{scheme}:…");
    };
    if parsed.password().is_some() && parsed.set_password(Some("***")).is_err() {
        return format!("{}:…", parsed.scheme());
    }
    let is_secret = |name: &str| name.to_ascii_lowercase().contains("pass");
    let pairs: Vec<(String, String)> = parsed.query_pairs().into_owned().collect();
    if pairs.iter().any(|(name, _)| is_secret(name)) {
        let mut query = parsed.query_pairs_mut();
        query.clear();
        for (name, value) in &pairs {
            query.append_pair(name, if is_secret(name) { "***" } else { value });
        }
        drop(query);
    }
    parsed.to_string()
}

/// A word of a command line without its secrets.
pub(crate) fn shown_word(word: &str) -> String {
    if Engine::of_scheme(word).is_some() { shown(word) } else { word.to_owned() }
}

/// The name that a source gets when nobody gives it one: that of its database.
pub(crate) fn derived_name(url: &str) -> String {
    let path = url.split_once(':').map_or(url, |(_, rest)| rest);
    let path = if is_path(url) { path.trim_end_matches('/') } else { path.split(['?', '#']).next().unwrap_or(path) };
    let last = path.rsplit('/').next().unwrap_or_default();
    let stem = if url.starts_with("sqlite:") { last.rsplit_once('.').map_or(last, |(stem, _)| stem) } else { last };
    let kept: String =
        stem.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
    let trimmed = kept.trim_matches(['-', '.']);
    if trimmed.is_empty() { "source".to_owned() } else { trimmed.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for url in [
            "postgres://ann:s3cret@db/cmdb",
            "postgres:///cmdb?host=db&password=s3cret",
            "postgres://ann:s3cret@[broken",
            "postgresql://ann:s3cret@one,two/cmdb",
        ] {
            assert!(!shown(url).contains("s3cret"), "{url} became {}", shown(url));
        }
        assert_eq!(shown("postgres://ann@db:5433/cmdb"), "postgres://ann@db:5433/cmdb");
    }

    #[test]
    fn a_url_that_means_no_engine_is_shown_in_the_refusal() {
        let failure = Engine::of("mysql://ann:s3cret@db/x").unwrap_err();
        assert!(failure.to_string().contains("mysql://ann:***@db/x"), "{failure}");
    }

    #[test]
    fn a_source_is_called_after_its_database() {
        for (url, name) in [
            ("postgres://ann@db/cmdb?x=/y", "cmdb"),
            ("sqlite:/var/lib/it top.db", "it-top"),
            ("postgres://db", "db"),
            ("sqlite:/", "source"),
            ("file:/srv/netbox/media/", "media"),
            ("file:/etc/net.d", "net.d"),
        ] {
            assert_eq!(derived_name(url), name, "{url}");
        }
    }
}
