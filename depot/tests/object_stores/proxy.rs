//! A proxy between the backend and a server that loses, refuses and cuts what passes through it.

use std::io::{Read, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What happens to a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// It is answered by this instead: status line, headers and body.
    Answer(&'static str),
    /// The connection breaks when so many bytes of the body have come.
    CutRequest(usize),
    /// It is passed on, and the connection breaks before its answer.
    LoseAnswer,
    /// It is passed on, and the connection breaks so many bytes into the answer's body.
    CutAnswer(usize),
    /// It is passed on without a header that begins so.
    Without(&'static str),
}

/// Which requests a fault happens to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) method: &'static str,
    /// Part of the path or query.
    pub(crate) path: &'static str,
    /// How many more.
    pub(crate) times: usize,
    pub(crate) fault: Fault,
}

/// The proxy.
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    rules: Vec<Rule>,
    heads: Vec<String>,
    struck: usize,
}

impl Proxy {
    /// A proxy before a server.
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let mine = Arc::clone(&shared);
        // The thread ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&mine);
                // What breaks here is what the test is about.
                thread::spawn(move || drop(pass(stream, server, &shared)));
            }
        });
        Self { address, shared }
    }

    /// From now on these faults happen, and no others. Gives how many happened before.
    pub(crate) fn set(&self, rules: &[Rule]) -> usize {
        let mut shared = self.shared.lock().unwrap();
        shared.rules = rules.to_vec();
        shared.heads.clear();
        std::mem::take(&mut shared.struck)
    }

    /// The heads of the requests since the faults were set.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.shared.lock().unwrap().heads.clone()
    }
}

fn pass(mut client: TcpStream, server: SocketAddr, shared: &Mutex<Shared>) -> std::io::Result<()> {
    let head = read_head(&mut client)?;
    let fault = {
        let mut shared = shared.lock().unwrap();
        shared.heads.push(head.clone());
        let first = head.lines().next().unwrap_or_default();
        let rule = shared
            .rules
            .iter_mut()
            .find(|rule| rule.times > 0 && first.starts_with(rule.method) && first.contains(rule.path));
        let fault = rule.map(|rule| {
            rule.times -= 1;
            rule.fault
        });
        shared.struck += usize::from(fault.is_some());
        fault
    };
    let body_len = header(&head, "content-length").map_or(0, |value| value.parse().unwrap());
    let mut body = vec![0; if let Some(Fault::CutRequest(bytes)) = fault { bytes.min(body_len) } else { body_len }];
    client.read_exact(&mut body)?;
    match fault {
        Some(Fault::CutRequest(_)) => return client.shutdown(Shutdown::Both),
        Some(Fault::Answer(answer)) => return answer_with(&mut client, answer),
        _ => {}
    }
    let mut upstream = TcpStream::connect(server)?;
    upstream.write_all(forwarded(&head, fault).as_bytes())?;
    upstream.write_all(&body)?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    let len = match fault {
        Some(Fault::LoseAnswer) => 0,
        Some(Fault::CutAnswer(bytes)) => (end + bytes).min(answer.len()),
        _ => answer.len(),
    };
    client.write_all(answer.get(..len).unwrap_or_default())?;
    client.shutdown(Shutdown::Both)
}

fn answer_with(client: &mut TcpStream, answer: &str) -> std::io::Result<()> {
    let (head, body) = answer.split_once("\n\n").unwrap_or((answer, ""));
    let head = head.replace('\n', "\r\n");
    write!(client, "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())?;
    client.shutdown(Shutdown::Write)
}

/// The head as the server gets it: it is to close the connection, so that the end of the answer shows.
fn forwarded(head: &str, fault: Option<Fault>) -> String {
    let dropped = |line: &str| match fault {
        Some(Fault::Without(name)) => line.to_ascii_lowercase().starts_with(name),
        _ => false,
    };
    let mut lines: Vec<&str> = head.trim_end().lines().filter(|line| !dropped(line)).collect();
    lines.push("Connection: close");
    format!("{}\r\n\r\n", lines.join("\r\n"))
}

fn read_head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.extend_from_slice(&byte);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// The value of a header.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}
