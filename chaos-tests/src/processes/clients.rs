//! Clients of a group of processes, and the history of what they were told.
//!
//! An object is a jurisdiction, its value the pair of codes under its name. A write that ended unknown stays open in the
//! history for ever, and its client goes on; one of which it is known that it was never proposed is a refusal, and must
//! never be read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use strongroom_coordinator::daemon::transport::Transport;
use strongroom_platform::clock::{Clock as _, MonotonicTime, SystemClock};
use strongroom_proto::client::{AskError, Client};
use strongroom_proto::common::v1::Class;
use strongroom_proto::operators::v1::execute_request::Command;
use strongroom_proto::operators::v1::{GetJurisdictionRequest, PutJurisdiction, get_jurisdiction_reply};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::cluster::{Cluster, ClusterError, PATIENCE};
use super::wait::pass;
use crate::dice::Dice;
use crate::oracle::spec::{Keyed, ObjectKey, Register, RegisterAction, RegisterAnswer, Value};
use crate::oracle::{ClientId, HistoryError, OperationId, Recorder, RunTime, Steps, Verdict, check};

/// Clients that ask at once.
const CLIENTS: u32 = 6;
/// Objects that they ask about: few, so that they get into each other's way.
const OBJECTS: u64 = 3;
/// How long a client waits for one answer while faults are about: some writes must end unknown.
const ANSWER_TIME_MAX: Duration = Duration::from_millis(2_500);
/// The longest pause of a client between two questions.
const PAUSE_MS_MAX: u64 = 12;
/// Codes that stand for one digit: half of all pairs of letters.
const BASE: u64 = 13 * 26;

/// What can't be told apart from a defect of the group.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The history makes no sense.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The group refused what it must take.
    #[error("a client was told something that can't be: {0}")]
    Told(String),
    /// A client's task ended by a defect.
    #[error("a client ended by a defect")]
    Defect,
    /// There are no clients to be had.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// No order of the operations explains what was answered.
    #[error("{0}")]
    Wrong(String),
}

/// What a run of clients saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Writes that were acknowledged.
    pub written: u64,
    /// Reads that were answered.
    pub read: u64,
    /// Writes of which nobody knows.
    pub unknown: u64,
}

/// Clients that ask until they are told to finish.
pub struct Load {
    notes: Arc<Notes>,
    finish: watch::Sender<bool>,
    tasks: Vec<JoinHandle<Result<(), LoadError>>>,
}

/// What all clients write down.
struct Notes {
    start: MonotonicTime,
    book: Mutex<Book>,
}

struct Book {
    recorder: Recorder<Keyed<RegisterAction>, RegisterAnswer>,
    tally: Tally,
    next: u64,
}

impl Load {
    /// Starts the clients.
    pub fn start(cluster: &Cluster, seed: u64) -> Result<Self, LoadError> {
        let tally = Tally { written: 0, read: 0, unknown: 0 };
        let book = Mutex::new(Book { recorder: Recorder::new(), tally, next: 0 });
        let notes = Arc::new(Notes { start: SystemClock.monotonic(), book });
        let (finish, finishing) = watch::channel(false);
        let mut tasks = Vec::new();
        for number in 0..CLIENTS {
            let one = One {
                id: ClientId(number),
                client: cluster.client()?,
                dice: Dice::new(seed, &format!("client {number}")),
                notes: Arc::clone(&notes),
            };
            tasks.push(tokio::spawn(one.ask_until(finishing.clone())));
        }
        Ok(Self { notes, finish, tasks })
    }

    /// Lets each client end with a last read, which must be answered, and judges what all of them saw.
    pub async fn finish(self) -> Result<Tally, LoadError> {
        self.finish.send_replace(true);
        for task in self.tasks {
            task.await.map_err(|_| LoadError::Defect)??;
        }
        let mut book = self.notes.book();
        let history = std::mem::take(&mut book.recorder).finish();
        match check(&Register, &history, Steps::PER_KEY) {
            Verdict::Linearizable { .. } => Ok(book.tally),
            verdict => Err(LoadError::Wrong(verdict.to_string())),
        }
    }
}

impl Notes {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time is read while the book is held, so that the events stand in its order.
    fn now(&self) -> RunTime {
        let passed = SystemClock.monotonic().since(self.start);
        RunTime(u64::try_from(passed.as_micros()).unwrap_or(u64::MAX))
    }
}

/// One client.
struct One {
    id: ClientId,
    client: Client<Transport>,
    dice: Dice,
    notes: Arc<Notes>,
}

impl One {
    async fn ask_until(mut self, finishing: watch::Receiver<bool>) -> Result<(), LoadError> {
        loop {
            let is_last = *finishing.borrow();
            let object = self.dice.below(OBJECTS);
            if is_last {
                return self.read(object, PATIENCE).await;
            }
            if self.dice.in_a_thousand(600) {
                self.write(object).await?;
            } else {
                self.read(object, ANSWER_TIME_MAX).await?;
            }
            pass(Duration::from_millis(self.dice.between(1, PAUSE_MS_MAX))).await;
        }
    }

    async fn write(&mut self, object: u64) -> Result<(), LoadError> {
        let (operation, value) = {
            let mut book = self.notes.book();
            book.next += 1;
            let value = book.next;
            (self.invoke(&mut book, object, RegisterAction::Write(Value(value)))?, value)
        };
        let put = PutJurisdiction { name: name(object), codes: codes(value) };
        let asked = self.client.execute(Command::PutJurisdiction(put), ANSWER_TIME_MAX).await;
        let mut book = self.notes.book();
        let now = self.notes.now();
        match asked {
            Ok(_) => {
                book.tally.written += 1;
                book.recorder.answered(operation, now, RegisterAnswer::Written)?;
            }
            Err(AskError::NotDone { .. }) => book.recorder.answered(operation, now, RegisterAnswer::Refused)?,
            Err(AskError::Unknown { .. }) => {
                book.tally.unknown += 1;
                book.recorder.lost(operation, now)?;
            }
            Err(error) => return Err(LoadError::Told(error.to_string())),
        }
        Ok(())
    }

    async fn read(&mut self, object: u64, patience: Duration) -> Result<(), LoadError> {
        let operation = {
            let mut book = self.notes.book();
            self.invoke(&mut book, object, RegisterAction::Read)?
        };
        let asked = self.client.read(patience, |mut members| async move {
            let reply = members.get_jurisdiction(GetJurisdictionRequest { name: name(object) }).await?.into_inner();
            Ok(match reply.result {
                Some(get_jurisdiction_reply::Result::Jurisdiction(found)) => Ok(Some(found.codes)),
                Some(get_jurisdiction_reply::Result::Failure(failure))
                    if failure.class() == Class::Rejected && failure.code == "missing" =>
                {
                    Ok(None)
                }
                Some(get_jurisdiction_reply::Result::Failure(failure)) => Err(failure),
                None => Err(strongroom_proto::common::v1::Failure::default()),
            })
        });
        let asked = asked.await;
        let mut book = self.notes.book();
        let now = self.notes.now();
        match asked {
            Ok(found) => {
                let held = found.map(|codes| value(&codes).ok_or_else(|| LoadError::Told(format!("{codes:?}"))));
                book.tally.read += 1;
                book.recorder.answered(operation, now, RegisterAnswer::Holds(held.transpose()?.map(Value)))?;
            }
            Err(AskError::NotDone { .. }) if patience < PATIENCE => book.recorder.lost(operation, now)?,
            Err(error) => return Err(LoadError::Told(error.to_string())),
        }
        Ok(())
    }

    fn invoke(&self, book: &mut Book, object: u64, action: RegisterAction) -> Result<OperationId, LoadError> {
        let key = ObjectKey::new(&name(object));
        Ok(book.recorder.invoke(self.id, self.notes.now(), Keyed { key, action })?)
    }
}

fn name(object: u64) -> String {
    format!("object-{object}")
}

/// Two digits, each a country code; the first letter says which place the digit has.
fn codes(value: u64) -> Vec<String> {
    let code = |place: u64, digit: u64| {
        let letter = |number: u64| char::from(b'A' + u8::try_from(number % 26).unwrap_or_default());
        [letter(place * 13 + digit / 26), letter(digit % 26)].iter().collect()
    };
    vec![code(0, value % BASE), code(1, value / BASE % BASE)]
}

/// The value that codes stand for.
fn value(codes: &[String]) -> Option<u64> {
    codes.iter().try_fold(0, |value, code| {
        let [first, second] = code.as_bytes() else { return None };
        let (first, second) = (u64::from(first.checked_sub(b'A')?), u64::from(second.checked_sub(b'A')?));
        Some(value + (first % 13 * 26 + second) * if first < 13 { 1 } else { BASE })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_for_one_value() {
        for number in [0, 1, 25, 26, 337, 338, 339, 70_000, BASE * BASE - 1] {
            assert_eq!(value(&codes(number)), Some(number));
        }
    }
}
