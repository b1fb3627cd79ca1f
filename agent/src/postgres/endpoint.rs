//! Where a database is and who logs in: read from a URL, shown without its password.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use strongroom_core::error::Code;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::source::SourceError;

use super::socket::Address;

/// How long one attempt to connect may take, unless the URL says otherwise.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// Folders in which packages put the server's socket.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// A database of a server, with the login.
#[derive(Clone)]
pub struct Endpoint {
    config: Config,
    addresses: Vec<Address>,
    database: String,
}

impl Endpoint {
    /// Reads `postgres://user@host:port/database?…`, or `key=value` pairs. Without a host, the server's usual socket is
    /// meant. The password may stand in the URL, but better comes separately.
    pub fn parse(url: &str, password: Option<&str>) -> Result<Self, SourceError> {
        let usage = |message: &str| SourceError::engine(Code::Usage, "the URL of the database", message);
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            // The parser's own text never quotes the URL, so no password shows here.
            SourceError::Engine {
                code: Code::Usage,
                subject: "the URL of the database".into(),
                message: "it can't be read as a PostgreSQL URL".into(),
                source: Some(Box::new(error)),
            }
        })?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err(usage("sslmode=require is not supported yet; use a Unix socket, or a tunnel that encrypts"));
        }
        config.ssl_mode(SslMode::Disable);
        if let Some(password) = password {
            config.password(password);
        }
        if config.get_application_name().is_none() {
            config.application_name("strongroom");
        }
        let user = config.get_user().map_or_else(|| "postgres".to_owned(), str::to_owned);
        let database = config.get_dbname().map_or(user, str::to_owned);
        config.dbname(&database);
        let addresses = addresses(&config);
        if addresses.is_empty() {
            return Err(usage("it names no host"));
        }
        Ok(Self { config, addresses, database })
    }

    /// The same login at another database of the server.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Self {
        let mut other = self.clone();
        other.config.dbname(database);
        database.clone_into(&mut other.database);
        other
    }

    /// The name of the database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Where to connect, in the order of trying.
    pub(crate) fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The client library's form.
    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    /// The longest wait for one connection.
    pub(crate) fn connect_wait(&self) -> Duration {
        self.config.get_connect_timeout().copied().unwrap_or(CONNECT_WAIT)
    }

    /// The environment that makes PostgreSQL's own tools log in the same way. The password stands here and never among
    /// the arguments, which everybody on the host may read.
    pub(crate) fn tool_environment(&self, address: &Address) -> Vec<(&'static str, String)> {
        let (host, port) = match address {
            Address::Tcp(host, port) => (host.clone(), *port),
            Address::Unix(folder, port) => (folder.display().to_string(), *port),
        };
        let mut all = vec![
            ("PGHOST", host),
            ("PGPORT", port.to_string()),
            ("PGDATABASE", self.database.clone()),
            ("PGAPPNAME", "strongroom".to_owned()),
            ("PGSSLMODE", "disable".to_owned()),
        ];
        if let Some(user) = self.config.get_user() {
            all.push(("PGUSER", user.to_owned()));
        }
        if let Some(password) = self.config.get_password() {
            all.push(("PGPASSWORD", String::from_utf8_lossy(password).into_owned()));
        }
        all
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        match self.addresses.first() {
            Some(Address::Tcp(host, port)) => write!(f, "{host}:{port}/{}", self.database),
            Some(Address::Unix(folder, port)) => write!(f, "{}:{port}/{}", folder.display(), self.database),
            None => write!(f, "/{}", self.database),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

fn addresses(config: &Config) -> Vec<Address> {
    let ports = config.get_ports();
    let port = |at: usize| ports.get(at).or_else(|| ports.first()).copied().unwrap_or(5432);
    if !config.get_hostaddrs().is_empty() {
        let hosts = config.get_hostaddrs().iter().enumerate();
        return hosts.map(|(at, host)| Address::Tcp(host.to_string(), port(at))).collect();
    }
    if config.get_hosts().is_empty() {
        let folder = SOCKET_FOLDERS
            .iter()
            .map(PathBuf::from)
            .find(|folder| folder.join(format!(".s.PGSQL.{}", port(0))).exists());
        return vec![
            folder.map_or_else(|| Address::Tcp("localhost".into(), port(0)), |folder| Address::Unix(folder, port(0))),
        ];
    }
    let hosts = config.get_hosts().iter().enumerate();
    hosts
        .map(|(at, host)| match host {
            Host::Tcp(name) if Path::new(name).is_absolute() => Address::Unix(PathBuf::from(name), port(at)),
            Host::Tcp(name) => Address::Tcp(name.clone(), port(at)),
            Host::Unix(folder) => Address::Unix(folder.clone(), port(at)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_never_shows() {
        let endpoint = Endpoint::parse("postgres://ann:s3cret@db.example:5433/cmdb", Some("0ther")).unwrap();
        let shown = format!("{endpoint} {endpoint:?}");
        assert!(!shown.contains("s3cret") && !shown.contains("0ther"), "{shown}");
        assert_eq!(endpoint.to_string(), "postgres://ann@db.example:5433/cmdb");
    }

    #[test]
    fn a_socket_may_stand_in_the_query() {
        let endpoint = Endpoint::parse("postgres:///cmdb?host=%2Frun%2Fpg&port=5444&user=ann", None).unwrap();
        assert_eq!(endpoint.addresses(), [Address::Unix("/run/pg".into(), 5444)]);
        assert_eq!(endpoint.with_database("other").database(), "other");
    }

    #[test]
    fn what_can_not_be_encrypted_is_refused() {
        let error = Endpoint::parse("postgres://db/cmdb?sslmode=require", None).unwrap_err();
        assert_eq!(error.code(), Code::Usage);
    }
}
