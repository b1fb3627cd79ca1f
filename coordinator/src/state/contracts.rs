//! Contracts as the log and the rows hold them, and the terms that the state judges by.
//!
//! ```text
//!   Contract::validate(zones), by whoever proposes ─► ContractDocument ─► bounds, on every member ─► ContractTerms
//! ```
//!
//! Owns the document: the contract's JSON, at most [`CONTRACT_BYTES_MAX`] bytes, which can't be decoded unless it is of
//! the shape of a contract. Terms come out of the document and nowhere else, so that planner and state can't disagree.
//! What rests on the rules of time zones is never checked here: members may have different zone data, and their rows must
//! be the same all the same. Whoever proposes a contract checks it whole; decoding takes no zone data, and absolute times
//! carry their offset and nothing that would have to be looked up.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use strongroom_core::contract::{Contract, JURISDICTIONS_MAX};
use strongroom_core::id::SourceId;

use super::context::Context;
use super::outcome::{Fault, Refusal};
use super::tables::tables;
use super::text::JurisdictionName;

/// Longest document: several times what the most windows, blackouts and jurisdictions that a contract may have need.
pub const CONTRACT_BYTES_MAX: usize = 16 * 1024;

/// Rows that a change of contract writes for the jurisdictions: the old ones and the new ones.
pub(in crate::state) const JURISDICTION_ROWS_MAX: usize = 2 * JURISDICTIONS_MAX;

tables! {
    /// The contract of each source.
    Contracts = CONTRACTS: SourceId => ContractDocument;
}

/// Bytes that are no contract, or a contract that is too long to be kept.
#[derive(Debug, thiserror::Error)]
pub enum ContractUnfit {
    /// Too many bytes.
    #[error("the contract takes {bytes} bytes; {CONTRACT_BYTES_MAX} is the most")]
    TooLong {
        /// Bytes that it takes.
        bytes: usize,
    },
    /// Not of the shape of a contract.
    #[error("the contract can't be read")]
    Json {
        /// Where it departs from it.
        source: serde_json::Error,
    },
}

/// A contract and the bytes that it is kept as. Whether its numbers can be kept is not checked by decoding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct ContractDocument {
    bytes: Box<[u8]>,
    contract: Contract,
}

impl ContractDocument {
    /// The document of a contract.
    pub fn new(contract: Contract) -> Result<Self, ContractUnfit> {
        let bytes = serde_json::to_vec(&contract).map_err(|source| ContractUnfit::Json { source })?;
        require_short(&bytes)?;
        Ok(Self { bytes: bytes.into(), contract })
    }

    /// The document that these bytes are.
    pub fn decode(bytes: &[u8]) -> Result<Self, ContractUnfit> {
        require_short(bytes)?;
        let contract = serde_json::from_slice(bytes).map_err(|source| ContractUnfit::Json { source })?;
        Ok(Self { bytes: bytes.into(), contract })
    }

    /// The contract.
    pub const fn contract(&self) -> &Contract {
        &self.contract
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

const fn require_short(bytes: &[u8]) -> Result<(), ContractUnfit> {
    if bytes.len() > CONTRACT_BYTES_MAX { Err(ContractUnfit::TooLong { bytes: bytes.len() }) } else { Ok(()) }
}

impl TryFrom<Vec<u8>> for ContractDocument {
    type Error = ContractUnfit;

    fn try_from(bytes: Vec<u8>) -> Result<Self, ContractUnfit> {
        Self::decode(&bytes)
    }
}

impl From<ContractDocument> for Vec<u8> {
    fn from(document: ContractDocument) -> Self {
        document.bytes.into()
    }
}

/// What was promised for a source, so far as the state judges by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractTerms {
    /// Longest time in seconds by which a snapshot may lag behind the source.
    pub rpo_s: u64,
    /// Copies without which a snapshot is not protected.
    pub copies: u8,
    /// Regions over which the copies must be spread.
    pub regions: u8,
    /// Where copies may lie: nowhere else.
    pub jurisdictions: BTreeSet<JurisdictionName>,
}

impl ContractTerms {
    /// The terms of a contract, unless it is out of bounds.
    pub(in crate::state) fn of(document: &ContractDocument) -> Result<Self, Refusal> {
        let Contract { rpo_s, copies, regions, jurisdictions, .. } = &document.contract;
        document.contract.check_bounds().map_err(|_| Refusal::BadContract)?;
        let jurisdictions = jurisdictions.iter().map(JurisdictionName::try_from).collect::<Result<_, _>>();
        let jurisdictions = jurisdictions.map_err(|_| Refusal::BadContract)?;
        Ok(Self { rpo_s: *rpo_s, copies: *copies, regions: *regions, jurisdictions })
    }

    /// Notes the jurisdictions that the terms name, all of which must be there.
    pub(in crate::state) fn refer(&self, cx: &mut Context<'_>) -> Result<(), Fault> {
        self.jurisdictions.iter().try_for_each(|name| cx.refer_to_jurisdiction(name))
    }

    /// The terms hold no more.
    pub(in crate::state) fn release(&self, cx: &mut Context<'_>) -> Result<(), Fault> {
        self.jurisdictions.iter().try_for_each(|name| cx.release_jurisdiction(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = r#"{"rpo_s": 14400, "rto_s": 7200, "retention": {"daily": 7}, "jurisdictions": ["DE", "eea"],
        "copies": 2, "regions": 2, "cadence": {"calendar": {"at": ["01:30"], "zone": "Europe/Nowhere"}}}"#;

    #[test]
    fn a_document_is_read_as_it_was_written() {
        let document = ContractDocument::decode(PLAIN.as_bytes()).unwrap();
        let bytes = postcard::to_stdvec(&document).unwrap();
        assert_eq!(postcard::from_bytes::<ContractDocument>(&bytes).unwrap(), document);
        let written = ContractDocument::new(document.contract().clone()).unwrap();
        assert_eq!(ContractDocument::decode(written.as_bytes()).unwrap(), written);
        assert_eq!(written.contract(), document.contract());
    }

    #[test]
    fn what_is_no_contract_is_not_decoded() {
        let unknown = PLAIN.replacen("rto_s", "rto", 1);
        let country = PLAIN.replacen("\"DE\"", "\"XX\"", 1);
        let long = format!("{PLAIN}{}", " ".repeat(CONTRACT_BYTES_MAX));
        let behind = format!("{PLAIN} 1");
        let twice = PLAIN.replacen('{', "{\"rpo_s\": 60,", 1);
        for text in ["", "{}", "null", &unknown, &country, &long, &behind, &twice] {
            let bytes = postcard::to_stdvec(text.as_bytes()).unwrap();
            assert!(postcard::from_bytes::<ContractDocument>(&bytes).is_err(), "{text}");
        }
    }

    #[test]
    fn terms_rest_on_no_zone_data() {
        let document = ContractDocument::decode(PLAIN.as_bytes()).unwrap();
        let terms = ContractTerms::of(&document).unwrap();
        assert_eq!((terms.rpo_s, terms.copies, terms.regions, terms.jurisdictions.len()), (14_400, 2, 2, 2));
    }

    #[test]
    fn what_members_read_differently_is_no_contract() {
        let once = |time: &str| {
            let blackout = format!(
                "\"copies\": 2, \"blackouts\": [{{\"once\": {{\"from\": \"{time}\", \"until\": \"2028-01-02T00:00:00Z\"}}}}]"
            );
            PLAIN.replacen("\"copies\": 2", &blackout, 1)
        };
        let plain = ContractDocument::decode(once("2027-12-31T12:00:00+01:00").as_bytes()).unwrap();
        assert!(
            ContractTerms::of(&plain).is_ok(),
            "an absolute time needs no zone data, and the zone's name is not asked"
        );
        let named = once("2027-12-31T12:00:00+01:00[Europe/Berlin]");
        assert!(ContractDocument::decode(named.as_bytes()).is_err(), "whether the two agree is a matter of zone data");
    }

    #[test]
    fn terms_out_of_bounds_are_refused() {
        let changes = [
            ("\"copies\": 2", "\"copies\": 9"),
            ("\"copies\": 2", "\"copies\": 1"),
            ("\"rpo_s\": 14400", "\"rpo_s\": 0"),
            ("[\"DE\", \"eea\"]", "[]"),
            ("[\"01:30\"]", "[]"),
            ("{\"daily\": 7}", "{}"),
        ];
        for (from, to) in changes {
            let text = PLAIN.replacen(from, to, 1);
            assert_ne!(text, PLAIN);
            let document = ContractDocument::decode(text.as_bytes()).unwrap();
            assert_eq!(ContractTerms::of(&document), Err(Refusal::BadContract), "{to}");
        }
    }
}
