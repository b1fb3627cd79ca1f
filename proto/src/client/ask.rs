//! One question, asked until it is answered or patience ends.

use std::time::Duration;

use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::ways::Leader;
use super::{AskError, Client, Dial, Said};
use crate::common::v1::{Class, Failure};
use crate::operators::v1::operators_client::OperatorsClient;

/// How long one attempt may take: longer than an election, so that a slow leader is not left for no reason.
const ATTEMPT_TIME_MAX: Duration = Duration::from_secs(5);
/// The pause before the second attempt; it doubles from one to the next.
const PAUSE_MIN: Duration = Duration::from_millis(20);
/// The longest pause: what a client adds to an election at most.
const PAUSE_MAX: Duration = Duration::from_millis(320);

/// What happens when a question is asked twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeats {
    /// The second answer is that of the first.
    Hide,
    /// The second may be rejected because the first took effect.
    Show,
}

/// What is known of a question that is not answered.
struct Seen {
    may_have_happened: bool,
    last: String,
}

impl Seen {
    fn end(self) -> AskError {
        let Self { may_have_happened, last } = self;
        if may_have_happened { AskError::Unknown { last } } else { AskError::NotDone { last } }
    }
}

/// What to do after an attempt that was not the last.
enum Next {
    /// The leader was named.
    Leader(Leader),
    /// The same member again.
    Same,
    /// Another member.
    Other,
}

impl<D: Dial> Client<D> {
    /// Asks until there is an answer for good, or patience ends.
    pub(super) async fn until_answered<T, F, A>(
        &mut self,
        repeats: Repeats,
        patience: Duration,
        ask: A,
    ) -> Result<T, AskError>
    where
        A: Fn(OperatorsClient<Channel>) -> F,
        F: Future<Output = Said<T>>,
    {
        let mut seen = Seen { may_have_happened: false, last: "no member is known".to_owned() };
        let asked = timeout(patience, self.attempts(repeats, &mut seen, ask)).await;
        asked.unwrap_or_else(|_| Err(seen.end()))
    }

    async fn attempts<T, F, A>(&mut self, repeats: Repeats, seen: &mut Seen, ask: A) -> Result<T, AskError>
    where
        A: Fn(OperatorsClient<Channel>) -> F,
        F: Future<Output = Said<T>>,
    {
        let mut pause = PAUSE_MIN;
        loop {
            let next = match self.ways.open(&self.dial).await {
                Some(Ok(channel)) => {
                    // From here until it is answered, it may have happened.
                    let before = std::mem::replace(&mut seen.may_have_happened, true);
                    match timeout(ATTEMPT_TIME_MAX, ask(OperatorsClient::new(channel))).await {
                        Ok(Ok(Ok(answer))) => return Ok(answer),
                        Ok(Ok(Err(failure))) => after_failure(repeats, before, seen, failure)?,
                        Ok(Err(status)) => after_status(before, seen, status)?,
                        Err(_) => {
                            "a member does not answer".clone_into(&mut seen.last);
                            Next::Other
                        }
                    }
                }
                Some(Err(failed)) => {
                    seen.last = failed.0.to_string();
                    Next::Other
                }
                None => return Err(AskError::NotDone { last: seen.last.clone() }),
            };
            let is_new = match next {
                Next::Leader(leader) => self.ways.follow(&leader),
                Next::Same => false,
                Next::Other => {
                    self.ways.next();
                    false
                }
            };
            // A leader that was named is asked at once; if it then names another, there is a pause.
            if is_new && pause == PAUSE_MIN {
                pause = PAUSE_MIN * 2;
                continue;
            }
            drop(timeout(pause, std::future::pending::<()>()).await);
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

fn after_failure(repeats: Repeats, before: bool, seen: &mut Seen, failure: Failure) -> Result<Next, AskError> {
    seen.last.clone_from(&failure.message);
    match failure.class() {
        Class::Rejected if before && repeats == Repeats::Show => Err(AskError::Unknown { last: failure.message }),
        Class::Rejected if before && failure.code == "no-session" => Err(AskError::Unknown { last: failure.message }),
        Class::Rejected => Err(AskError::Rejected(Box::new(failure))),
        Class::Retry => {
            // This attempt did nothing; those before it may have.
            seen.may_have_happened = before;
            Ok(match failure.leader {
                address if !address.is_empty() => Next::Leader(Leader { address, member: failure.leader_id }),
                _ if failure.code == "not-leader" => Next::Other,
                _ => Next::Same,
            })
        }
        Class::Unknown => Ok(Next::Same),
        Class::Fatal | Class::Unspecified => Ok(Next::Other),
    }
}

fn after_status(before: bool, seen: &mut Seen, status: Status) -> Result<Next, AskError> {
    status.message().clone_into(&mut seen.last);
    let is_final = matches!(
        status.code(),
        Code::PermissionDenied | Code::Unauthenticated | Code::InvalidArgument | Code::Unimplemented
    );
    match (is_final, before) {
        (true, false) => Err(AskError::Refused(Box::new(status))),
        (true, true) => Err(AskError::Unknown { last: seen.last.clone() }),
        (false, _) => Ok(Next::Other),
    }
}
