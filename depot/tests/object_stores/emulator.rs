//! A server that speaks the protocol of an object store, started for one test and stopped with it.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::not_run::not_run;

/// Where `scripts/check.sh` puts the servers, below the folder of caches.
const CACHE: &str = "strongroom/emulators";
/// No request to a server of this machine takes longer.
const ANSWER: Duration = Duration::from_secs(30);

/// A server under way.
pub(crate) struct Emulator {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

/// A program among the servers that were installed, or a note that the test could not run.
fn program(path: &str, test: &str, package: &str) -> Option<PathBuf> {
    let given = std::env::var_os("STRONGROOM_EMULATORS").map(PathBuf::from);
    let cache = || {
        let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        Some(std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or(home)?.join(CACHE))
    };
    let found = given.or_else(cache).map(|folder| folder.join(path)).filter(|path| path.exists());
    if found.is_none() {
        not_run(test, &format!("{package}, which scripts/check.sh installs"));
    }
    found
}

impl Emulator {
    /// S3, by moto. `settings` are its environment.
    pub(crate) fn moto(test: &str, settings: &[(&str, &str)]) -> Option<Self> {
        let program = program("python/bin/moto_server", test, "moto[s3,server]")?;
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", "0"]).envs(settings.iter().copied());
        Some(Self::start(command, "Running on http://"))
    }

    /// Azure Blob Storage, by Azurite.
    pub(crate) fn azure(test: &str) -> Option<Self> {
        let server = program("node/node_modules/azurite/dist/src/blob/main.js", test, "azurite")?;
        let mut command = Command::new("node");
        command.arg(server).args(["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]);
        command.args(["--blobHost", "127.0.0.1", "--blobPort", "0"]);
        Some(Self::start(command, "successfully listens on http://"))
    }

    fn start(mut command: Command, marker: &str) -> Self {
        // Some say on the one, some on the other, where they listen.
        let (read, write) = std::io::pipe().unwrap();
        command.stdin(Stdio::null()).stdout(write.try_clone().unwrap()).stderr(write);
        let child = command.spawn().unwrap();
        // The parent's end must go, or the end of the server would never show.
        drop(command);
        let mut said = BufReader::new(read);
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "the server ended before it listened");
            if let Some((_, address)) = line.split_once(marker) {
                let address: String =
                    address.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':')).collect();
                break address.parse().unwrap();
            }
        };
        // A server that nobody reads stops when the pipe is full.
        thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Self { child, address }
    }

    /// Sends a request without a body and without a signature; the answer's status and all of its text.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &str) -> (u16, String) {
        let host = self.address;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n"
        );
        let answer = self.exchange(&head);
        let status = answer.split_whitespace().nth(1).unwrap().parse().unwrap();
        (status, answer)
    }

    fn exchange(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(ANSWER)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Makes a container in Azurite. Its account and key are the same everywhere, and so is what they sign.
    pub(crate) fn make_azure_container(&self, name: &str) {
        const SIGNED: &str = "sv=2020-08-04&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00%3A00%3A00Z&spr=https%2Chttp&sig=lP4358Cnz1iq8XYqBFoRARKlOuXCuZxE4Uf0d7qFrYE%3D";
        let path = format!("/{AZURE_ACCOUNT}/{name}?restype=container&{SIGNED}");
        let (status, answer) = self.ask("PUT", &path, "");
        assert_eq!(status, 201, "{answer}");
    }

    /// Makes a bucket in moto.
    pub(crate) fn make_bucket(&self, name: &str, headers: &str) {
        let (status, answer) = self.ask("PUT", &format!("/{name}"), headers);
        assert_eq!(status, 200, "{answer}");
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // Both fail only if it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The account that every Azurite has, with its key, which is no secret.
pub(crate) const AZURE_ACCOUNT: &str = "devstoreaccount1";
const AZURE_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A file of credentials that moto takes; it goes with the folder.
pub(crate) fn s3_credentials() -> (tempfile::TempDir, String) {
    credentials("# of nobody\nAWS_ACCESS_KEY_ID=id\nAWS_SECRET_ACCESS_KEY=secret\n")
}

/// The same for Azurite, which looks at signatures.
pub(crate) fn azure_credentials() -> (tempfile::TempDir, String) {
    credentials(&format!("AZURE_STORAGE_ACCOUNT_KEY={AZURE_KEY}\n"))
}

fn credentials(lines: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials");
    std::fs::write(&path, lines).unwrap();
    let path = path.display().to_string();
    (folder, path)
}
