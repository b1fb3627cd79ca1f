//! The profiles that come with the program.

use strongroom_core::profile::Profile;

use super::document::{ProfileError, parse_profile};

/// A profile that comes with the program, as its text.
#[derive(Clone, Copy, Debug)]
pub struct KnownProfile {
    /// Its name.
    pub name: &'static str,
    /// Its text, which an operator can change and give as a file.
    pub text: &'static str,
}

const KNOWN: [KnownProfile; 2] = [
    KnownProfile { name: "nautobot", text: include_str!("../../profiles/nautobot.toml") },
    KnownProfile { name: "netbox", text: include_str!("../../profiles/netbox.toml") },
];

impl KnownProfile {
    /// The profile.
    pub fn parse(&self) -> Result<Profile, ProfileError> {
        parse_profile(self.text, self.name)
    }
}

/// All profiles that come with the program, by name.
pub const fn known_profiles() -> &'static [KnownProfile] {
    &KNOWN
}

/// A profile by its name.
pub fn known_profile(name: &str) -> Option<KnownProfile> {
    KNOWN.into_iter().find(|known| known.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_them_can_be_read_and_bear_their_names() {
        for known in known_profiles() {
            let profile = known.parse().unwrap();
            assert_eq!(profile.name, known.name);
            assert!(profile.recognise.is_some() && !profile.after_restore.is_empty(), "{}", known.name);
        }
        assert!(known_profile("netbox").is_some() && known_profile("fnord").is_none());
    }

    #[test]
    fn a_profile_survives_the_snapshot_that_keeps_it() {
        for known in known_profiles() {
            let profile = known.parse().unwrap();
            let kept = serde_json::to_vec(&profile).unwrap();
            assert_eq!(serde_json::from_slice::<Profile>(&kept).unwrap(), profile);
        }
    }
}
