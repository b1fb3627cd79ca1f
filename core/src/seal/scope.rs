//! What sealed bytes are bound to.

use crate::digest::Profile;
use crate::id::{DomainId, EnvironmentHash, PlacesHash};
use crate::merkle::labelled_hash;

/// Where sealed bytes belong. Part of the associated data of everything that is sealed, and clear in headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The algorithms in use.
    pub profile: Profile,
    /// Whose keys seal.
    pub domain: DomainId,
    /// Production, test, and so on.
    pub environment: EnvironmentHash,
    /// The label of places where the bytes may lie.
    pub places: PlacesHash,
}

impl Scope {
    /// The scope of a source, from the names that policy uses.
    pub fn new(profile: Profile, domain: DomainId, environment: &str, places: &str) -> Self {
        Self {
            profile,
            domain,
            environment: EnvironmentHash(labelled_hash(profile, "environment", environment.as_bytes())),
            places: PlacesHash(labelled_hash(profile, "places", places.as_bytes())),
        }
    }

    /// Length of [`Self::encode`].
    pub(crate) const LEN: usize = 1 + DomainId::LEN + EnvironmentHash::LEN + PlacesHash::LEN;

    /// Appends the fixed-length form that associated data begins with.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.push(profile_byte(self.profile));
        out.extend_from_slice(&self.domain.0);
        out.extend_from_slice(&self.environment.0);
        out.extend_from_slice(&self.places.0);
    }
}

/// The profile's number in the formats.
pub(crate) const fn profile_byte(profile: Profile) -> u8 {
    match profile {
        Profile::Blake3 => 1,
        Profile::Fips => 2,
    }
}
