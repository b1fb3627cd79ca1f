//! Commands about sources and their contracts.
//!
//! Owns the bounds of a contract at the door: one that is too long is refused before it is read.

use strongroom_core::manifest::ClassTags;
use strongroom_proto::operators::v1::{
    ChangeSource, PauseSource, RegisterSource, SetContract, SourceFacts as WireFacts,
};

use super::{Malformed, id, words};
use crate::state::Command;
use crate::state::bytes::PublicKey;
use crate::state::contracts::ContractDocument;
use crate::state::sources::{self, SourceFacts};
use crate::state::text::SourceName;

pub(super) fn register(it: &RegisterSource) -> Result<Command, Malformed> {
    let facts = facts(it.facts.as_ref().ok_or("nothing is said of the source")?)?;
    Ok(sources::RegisterSource { source: id(&it.source)?, facts, contract: contract(&it.contract)? }.into())
}

pub(super) fn change(it: &ChangeSource) -> Result<Command, Malformed> {
    let facts = facts(it.facts.as_ref().ok_or("nothing is said of the source")?)?;
    Ok(sources::ChangeSource { source: id(&it.source)?, facts }.into())
}

pub(super) fn set_contract(it: &SetContract) -> Result<Command, Malformed> {
    Ok(sources::SetContract { source: id(&it.source)?, contract: contract(&it.contract)? }.into())
}

pub(super) fn pause(it: &PauseSource) -> Result<Command, Malformed> {
    Ok(sources::PauseSource { source: id(&it.source)?, is_paused: it.is_paused }.into())
}

fn facts(it: &WireFacts) -> Result<SourceFacts, Malformed> {
    Ok(SourceFacts {
        name: SourceName::new(&it.name).map_err(|_| "a source's name has letters, digits, - _ and . only")?,
        engine: words::engine(&it.engine).ok_or("the engine is unknown")?,
        domain: id(&it.domain)?,
        agent: id(&it.agent)?,
        host_group: id(&it.host_group)?,
        signer: PublicKey::new(&it.signer).map_err(|_| "the signer's key is of no known length")?,
        tags: tags(it.tags).ok_or("a tag is unknown")?,
    })
}

fn contract(bytes: &[u8]) -> Result<ContractDocument, Malformed> {
    ContractDocument::decode(bytes).map_err(|_| "the contract is not of the form of one, or too long")
}

/// The tags in the order of their bits.
pub(in crate::server::api) const TAGS: [ClassTags; 6] = [
    ClassTags::TIER_1,
    ClassTags::TIER_2,
    ClassTags::TIER_3,
    ClassTags::HISTORY,
    ClassTags::PERSONAL,
    ClassTags::SECRET,
];

fn tags(bits: u32) -> Option<ClassTags> {
    let set = TAGS.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
    let tags = set.fold(ClassTags::default(), |all, (_, tag)| all.with(*tag));
    (bits >> TAGS.len() == 0).then_some(tags)
}
