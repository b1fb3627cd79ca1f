//! One member alone, whoever leads.
//!
//! Owns questions that each member answers from what it knows itself. They are asked once: who does not answer is not
//! waited for, and no other member is asked in its stead.

use std::time::Duration;

use tokio::time::timeout;
use tonic::Status;
use tonic::transport::Channel;

use super::{AskError, Client, Dial};
use crate::operators::v1::operators_client::OperatorsClient;

impl<D: Dial> Client<D> {
    /// Asks the member at an address something that changes nothing.
    pub async fn ask_member<T, A>(&self, address: &str, patience: Duration, ask: A) -> Result<T, AskError>
    where
        A: AsyncFnOnce(OperatorsClient<Channel>) -> Result<T, Status>,
    {
        let asked = async {
            let channel = self.dial.dial(address).await;
            let channel = channel.map_err(|failed| AskError::NotDone { last: failed.0.to_string() })?;
            ask(OperatorsClient::new(channel)).await.map_err(|status| AskError::Refused(Box::new(status)))
        };
        let late = |_| Err(AskError::NotDone { last: "the member does not answer".to_owned() });
        timeout(patience, asked).await.unwrap_or_else(late)
    }
}
