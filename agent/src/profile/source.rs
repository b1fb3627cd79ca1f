//! A source with a profile: chosen by the operator, or recognised by the classes of the cut.

use std::sync::Arc;

use strongroom_core::error::Code;
use strongroom_core::profile::{Fate, Profile, Scope};

use super::applied::AppliedProfile;
use super::cut::NarrowedCut;
use super::known::known_profiles;
use crate::source::{CaptureOptions, Cut, Source, SourceError};

/// Which profile a source gets.
#[derive(Clone, Debug, Default)]
pub enum ProfileChoice {
    /// The one that comes with the program and recognises the source; none if none does.
    #[default]
    Automatic,
    /// None: the catalog of the source is all that is known.
    None,
    /// This one.
    Given(Box<Profile>),
}

/// A source with a profile.
pub struct ProfiledSource {
    inner: Box<dyn Source>,
    choice: ProfileChoice,
}

impl ProfiledSource {
    /// A source under a choice of profile.
    pub fn new(inner: Box<dyn Source>, choice: ProfileChoice) -> Self {
        Self { inner, choice }
    }

    /// The profile for a cut, and where it applies. A given profile that says how its product is recognised is refused
    /// for a source of another kind: it would leave out what it knows nothing of.
    fn find(&self, cut: &dyn Cut) -> Result<Option<(Profile, Scope)>, SourceError> {
        let names = || cut.classes().iter().map(|class| class.schema.name.as_str());
        match &self.choice {
            ProfileChoice::None => Ok(None),
            ProfileChoice::Given(profile) if profile.recognise.is_none() => {
                Ok(Some((profile.as_ref().clone(), Scope::everywhere())))
            }
            ProfileChoice::Given(profile) => match profile.recognise(names()) {
                Some(scope) => Ok(Some((profile.as_ref().clone(), scope))),
                None => Err(SourceError::engine(
                    Code::Usage,
                    cut.facts().database.clone(),
                    format!(
                        "not of the profile {}, since {}; --profile auto looks for one that fits, and none goes without",
                        profile.name,
                        profile.misfit(names())
                    ),
                )),
            },
            ProfileChoice::Automatic => recognise(names),
        }
    }
}

/// The first profile that comes with the program and recognises these classes.
fn recognise<'a, I: Iterator<Item = &'a str>>(names: impl Fn() -> I) -> Result<Option<(Profile, Scope)>, SourceError> {
    for known in known_profiles() {
        let broken = |error: super::ProfileError| SourceError::engine(Code::Internal, known.name, error.to_string());
        let profile = known.parse().map_err(broken)?;
        if let Some(scope) = profile.recognise(names()) {
            return Ok(Some((profile, scope)));
        }
    }
    Ok(None)
}

impl Source for ProfiledSource {
    fn open(&self, options: &CaptureOptions) -> Result<Box<dyn Cut>, SourceError> {
        let cut = self.inner.open(options)?;
        let Some((profile, scope)) = self.find(cut.as_ref())? else { return Ok(cut) };
        let applied = Arc::new(AppliedProfile::new(profile, &scope, cut.classes()));
        let narrowed = NarrowedCut::new(cut, |class| match &applied.selection().class(class)?.fate {
            Fate::LeftOut(reason) => Some(reason.clone()),
            Fate::Kept | Fate::KeptFor(_) => None,
        });
        Ok(Box::new(narrowed.under(applied)))
    }
}
