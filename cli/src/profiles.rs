//! Profiles as command lines name them: by name, by the path of a file, `auto` or `none`.

use std::path::Path;

use strongroom_agent::profile::{ProfileChoice, ProfileError, known_profile, known_profiles, parse_profile};
use strongroom_core::error::Code;

use crate::failure::{Attempt as _, Coded, Failure};

/// The profile that recognises the source, if any does.
pub(crate) const AUTO: &str = "auto";

/// No profile.
const NONE: &str = "none";

impl Coded for ProfileError {
    fn stable_code(&self) -> Code {
        self.code()
    }
}

/// What a text on the command line chooses.
pub(crate) fn choice(text: &str) -> Result<ProfileChoice, Failure> {
    match text {
        AUTO => return Ok(ProfileChoice::Automatic),
        NONE => return Ok(ProfileChoice::None),
        _ => {}
    }
    let profile = if is_path(text) {
        parse_profile(&read(text)?, text).attempt(|| "the profile can't be used").map_err(correct)
    } else {
        known_profile(text)
            .ok_or_else(|| unknown(text))?
            .parse()
            .attempt(|| format!("the profile {text} can't be used"))
    };
    Ok(ProfileChoice::Given(Box::new(profile?)))
}

/// The text that a source remembers of a choice: a relative path would mean something else in another folder.
pub(crate) fn remembered(text: &str) -> Result<String, Failure> {
    choice(text)?;
    if !is_path(text) {
        return Ok(text.to_owned());
    }
    let path = std::path::absolute(text).attempt(|| format!("{text} leads nowhere"))?;
    Ok(path.display().to_string())
}

/// The text of a profile by its name or path.
pub(crate) fn text(name: &str) -> Result<String, Failure> {
    if is_path(name) {
        return read(name);
    }
    Ok(known_profile(name).ok_or_else(|| unknown(name))?.text.to_owned())
}

/// Whether a text is meant as a path and not as a profile's name.
fn is_path(text: &str) -> bool {
    text.contains(['/', '\\']) || Path::new(text).extension().is_some_and(|extension| extension == "toml")
}

fn read(path: &str) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path).attempt(|| format!("can't read the profile {path}"));
    text.map_err(|failure| {
        failure.advise("Give the path of a profile's file; `profile ls` lists those that need none.")
    })
}

/// A failure of a profile's text, with what to do about it.
pub(crate) fn correct(failure: Failure) -> Failure {
    failure.advise("Correct the line; `strongroom profile show netbox` prints one to compare it with.")
}

fn unknown(name: &str) -> Failure {
    let known: Vec<&str> = known_profiles().iter().map(|known| known.name).collect();
    Failure::new(Code::NotFound, format!("there is no profile {name}"))
        .advise(format!("Give {}, {AUTO}, {NONE}, or the path of a file that ends in .toml.", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_told_apart() {
        for (text, path) in
            [("netbox", false), ("./netbox", true), ("netbox.toml", true), ("a/b", true), ("v4.1", false)]
        {
            assert_eq!(is_path(text), path, "{text}");
        }
    }
}
