//! What has to be founded so that a site is known, by what is known already. Pure.

use std::collections::BTreeMap;
use std::fmt;

use strongroom_core::error::Code;
use strongroom_proto::operators::v1::row::Row;

use crate::args::site::SiteAdd;
use crate::failure::Failure;

/// The places that a group knows.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// The countries that each jurisdiction covers.
    pub(super) jurisdictions: BTreeMap<String, Vec<String>>,
    /// The jurisdiction of each region.
    pub(super) regions: BTreeMap<String, String>,
    pub(super) sites: BTreeMap<String, KnownSite>,
}

/// A site that is known.
#[derive(Debug)]
pub(super) struct KnownSite {
    pub(super) region: String,
    /// Agents and depots there.
    pub(super) hosts: u32,
}

impl Places {
    /// Takes a row of a listing in; other rows are none of its business.
    pub(super) fn take(&mut self, row: Row) {
        match row {
            Row::Jurisdiction(it) => drop(self.jurisdictions.insert(it.name, it.codes)),
            Row::Region(it) => drop(self.regions.insert(it.name, it.jurisdiction)),
            Row::Site(it) => drop(self.sites.insert(it.name, KnownSite { region: it.region, hosts: it.references })),
            _ => {}
        }
    }
}

/// A place that is to be founded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Founding {
    Jurisdiction { name: String, codes: Vec<String> },
    Region { name: String, jurisdiction: String },
    Site { name: String, region: String },
}

impl fmt::Display for Founding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jurisdiction { name, codes } if codes.len() == 1 && codes.first() == Some(name) => {
                write!(out, "jurisdiction {name}")
            }
            Self::Jurisdiction { name, codes } => write!(out, "jurisdiction {name} ({})", codes.join(", ")),
            Self::Region { name, jurisdiction } => write!(out, "region {name} under {jurisdiction}"),
            Self::Site { name, region } => write!(out, "site {name} in {region}"),
        }
    }
}

/// What is missing, the outermost first; nothing if the site is known as it was asked for.
///
/// # Errors
///
/// `SR0002`, usage: a known place is said to be elsewhere, or a new one lacks what is above it.
pub(super) fn plan(asked: &SiteAdd, known: &Places) -> Result<Vec<Founding>, Failure> {
    let mut steps = Vec::new();
    match (known.regions.get(&asked.region), &asked.jurisdiction) {
        (Some(is), Some(said)) if is != said => {
            let what = format!("the region {} lies under {is}, not under {said}", asked.region);
            return Err(usage(what, "Name another region, or leave --jurisdiction out."));
        }
        (Some(_), _) => {}
        (None, None) => {
            let what = format!("the region {} is not known", asked.region);
            return Err(usage(what, "Say under which law it lies: --jurisdiction CC."));
        }
        (None, Some(jurisdiction)) => {
            steps.extend(jurisdiction_step(jurisdiction, &asked.covers, known)?);
            steps.push(Founding::Region { name: asked.region.clone(), jurisdiction: jurisdiction.clone() });
        }
    }
    match known.sites.get(&asked.name) {
        Some(site) if site.region != asked.region => {
            let what = format!("the site {} lies in region {}, not in {}", asked.name, site.region, asked.region);
            return Err(usage(what, "Choose another name."));
        }
        Some(_) => {}
        None => steps.push(Founding::Site { name: asked.name.clone(), region: asked.region.clone() }),
    }
    Ok(steps)
}

/// Founds a jurisdiction that is not known: a country covers itself, a group what is said.
fn jurisdiction_step(name: &str, covers: &[String], known: &Places) -> Result<Option<Founding>, Failure> {
    if let Some(codes) = known.jurisdictions.get(name) {
        let is_same = covers.is_empty() || (covers.len() == codes.len() && covers.iter().all(|it| codes.contains(it)));
        let what = || format!("the jurisdiction {name} covers {}", codes.join(", "));
        return if is_same { Ok(None) } else { Err(usage(what(), "Leave --covers out, or name another group.")) };
    }
    let is_country = name.len() == 2 && name.bytes().all(|byte| byte.is_ascii_uppercase());
    let codes = match (is_country, covers) {
        (true, []) => vec![name.to_owned()],
        (false, []) => {
            let what = format!("{name} is no country's code, and no group of that name is known");
            return Err(usage(what, "Say which countries it covers: --covers DE,FR."));
        }
        _ => covers.to_vec(),
    };
    Ok(Some(Founding::Jurisdiction { name: name.to_owned(), codes }))
}

fn usage(what: String, next: &str) -> Failure {
    Failure::new(Code::Usage, what).advise(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::operator::Asked;

    fn asked(name: &str, region: &str, jurisdiction: Option<&str>, covers: &[&str]) -> SiteAdd {
        SiteAdd {
            name: name.to_owned(),
            region: region.to_owned(),
            jurisdiction: jurisdiction.map(ToOwned::to_owned),
            covers: covers.iter().map(ToString::to_string).collect(),
            asked: Asked { plan: false, cluster: crate::args::coordinator::Cluster::default() },
        }
    }

    fn berlin() -> Places {
        let mut known = Places::default();
        known.jurisdictions.insert("DE".to_owned(), vec!["DE".to_owned()]);
        known.regions.insert("berlin".to_owned(), "DE".to_owned());
        known.sites.insert("b1".to_owned(), KnownSite { region: "berlin".to_owned(), hosts: 1 });
        known
    }

    fn words(asked: &SiteAdd) -> Result<Vec<String>, String> {
        let steps = plan(asked, &berlin()).map_err(|failure| failure.to_string())?;
        Ok(steps.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn only_what_is_missing_is_founded_the_outermost_first() {
        assert_eq!(words(&asked("b1", "berlin", None, &[])).unwrap(), Vec::<String>::new());
        assert_eq!(words(&asked("b2", "berlin", Some("DE"), &[])).unwrap(), ["site b2 in berlin"]);
        assert_eq!(
            words(&asked("p1", "paris", Some("FR"), &[])).unwrap(),
            ["jurisdiction FR", "region paris under FR", "site p1 in paris"]
        );
        assert_eq!(
            words(&asked("n1", "north", Some("nordics"), &["SE", "NO"])).unwrap(),
            ["jurisdiction nordics (SE, NO)", "region north under nordics", "site n1 in north"]
        );
    }

    #[test]
    fn what_is_known_is_not_moved_and_what_lacks_its_law_is_not_founded() {
        let moved = words(&asked("b1", "paris", Some("FR"), &[])).unwrap_err();
        assert!(moved.contains("lies in region berlin"), "{moved}");
        let other_law = words(&asked("b2", "berlin", Some("FR"), &[])).unwrap_err();
        assert!(other_law.contains("lies under DE"), "{other_law}");
        assert!(words(&asked("p1", "paris", None, &[])).unwrap_err().contains("is not known"));
        assert!(words(&asked("n1", "north", Some("nordics"), &[])).unwrap_err().contains("no country's code"));
        assert!(words(&asked("d1", "dresden", Some("DE"), &["FR"])).unwrap_err().contains("covers DE"));
    }
}
