//! What a profile must be beyond its shape. Every fault names the key that is wrong.

use super::model::{ClassRule, Profile, Role};
use super::pattern::is_pattern;

/// Names of profiles are words of command lines.
const NAME_CHARS_MAX: usize = 60;

/// A product has some hundreds of classes; what has more rules than this is no profile.
const RULES_MAX: usize = 10_000;

/// A profile that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", key.join("."))]
pub struct ProfileFault {
    /// The way to the key that is wrong.
    pub key: Vec<String>,
    /// What is wrong.
    pub message: String,
}

impl ProfileFault {
    fn new(key: &[&str], message: impl Into<String>) -> Self {
        Self { key: key.iter().map(|part| (*part).to_owned()).collect(), message: message.into() }
    }
}

impl Profile {
    /// Checks what its shape can't say.
    pub fn check(&self) -> Result<(), ProfileFault> {
        self.check_names()?;
        if self.classes.len() > RULES_MAX {
            return Err(ProfileFault::new(&["classes"], format!("there are more than {RULES_MAX} rules")));
        }
        self.classes.iter().try_for_each(|(class, rule)| check_rule(class, rule))?;
        self.check_integrations()?;
        let steps = self.after_restore.iter().map(|step| ("after_restore", &step.step));
        let secrets = self.external_secrets.iter().map(|secret| ("external_secrets", &secret.name));
        match steps.chain(secrets).find(|(_, text)| text.trim().is_empty()) {
            Some((key, _)) => Err(ProfileFault::new(&[key], "one of them is empty")),
            None => Ok(()),
        }
    }

    fn check_names(&self) -> Result<(), ProfileFault> {
        let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        let reserved = ["auto", "none"].contains(&self.name.as_str());
        if self.name.is_empty() || self.name.len() > NAME_CHARS_MAX || !self.name.chars().all(is_fine) || reserved {
            let message = format!("{:?} is no name of a profile: give a word of a-z, 0-9, - and _", self.name);
            return Err(ProfileFault::new(&["name"], message));
        }
        if self.product.trim().is_empty() {
            return Err(ProfileFault::new(&["product"], "the product has no name"));
        }
        let Some(recognise) = &self.recognise else { return Ok(()) };
        if recognise.classes.is_empty() {
            let message = "without classes that must be there, every source would be recognised";
            return Err(ProfileFault::new(&["recognise", "classes"], message));
        }
        let plain = |name: &&String| name.is_empty() || is_pattern(name);
        for (key, names) in [("classes", &recognise.classes), ("absent", &recognise.absent)] {
            if let Some(name) = names.iter().find(plain) {
                return Err(ProfileFault::new(&["recognise", key], format!("{name:?} is not the name of a class")));
            }
        }
        Ok(())
    }

    /// What is recorded in clear words may be no secret, and must be captured to be recorded.
    fn check_integrations(&self) -> Result<(), ProfileFault> {
        for integration in &self.integrations {
            let fault = |message: String| Err(ProfileFault::new(&["integrations"], message));
            let (name, class) = (&integration.name, &integration.class);
            if name.trim().is_empty() || class.is_empty() || is_pattern(class) || integration.columns.is_empty() {
                return fault(format!("{name:?} needs a name, the name of a class and at least one column"));
            }
            let facts = self.facts(class);
            if let Some(column) = integration.columns.iter().find(|column| facts.secret.contains(*column)) {
                return fault(format!("{name:?} would record {class}.{column}, which is secret"));
            }
            if facts.role.is_left_out() {
                return fault(format!("{name:?} records {class}, which is {} and left out", facts.role.word()));
            }
        }
        match &self.versions {
            Some(table) if self.facts(&table.class).role.is_left_out() => {
                Err(ProfileFault::new(&["versions", "class"], format!("{} is left out", table.class)))
            }
            _ => Ok(()),
        }
    }
}

fn check_rule(class: &str, rule: &ClassRule) -> Result<(), ProfileFault> {
    let fault = |key: &str, message: &str| Err(ProfileFault::new(&["classes", class, key], message));
    if class.is_empty() {
        return Err(ProfileFault::new(&["classes"], "a rule has an empty name"));
    }
    let is_derived = rule.role == Some(Role::Derived);
    if is_derived && rule.rebuild.as_ref().is_none_or(|rebuild| rebuild.trim().is_empty()) {
        return fault("role", "a derived class needs `rebuild`: what makes its records again after a restore");
    }
    if rule.rebuild.is_some() && !is_derived {
        return fault("rebuild", "only a class whose role is `derived` is rebuilt");
    }
    if rule.role.is_some_and(Role::is_left_out) && class == "*" {
        return fault("role", "this would leave everything out");
    }
    if rule.stale_after.is_some() && rule.updated.is_none() {
        return fault("stale_after", "needs `updated`: the column of a record's last change");
    }
    if rule.shrink_percent_max.is_some_and(|percent| percent > 100) {
        return fault("shrink_percent_max", "is a share of the records in percent, from 0 to 100");
    }
    let empty = |columns: &Option<Vec<String>>| columns.iter().flatten().any(String::is_empty);
    for (key, columns) in [("display", &rule.display), ("personal", &rule.personal), ("secret", &rule.secret)] {
        if empty(columns) {
            return fault(key, "a column has an empty name");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Integration, Recognition};

    fn profile() -> Profile {
        Profile { name: "x".into(), product: "X".into(), ..Profile::default() }
    }

    fn with_rule(class: &str, rule: ClassRule) -> Profile {
        Profile { classes: [(class.to_owned(), rule)].into(), ..profile() }
    }

    fn key_of(profile: &Profile) -> String {
        profile.check().unwrap_err().key.join(".")
    }

    #[test]
    fn faults_name_their_keys() {
        assert_eq!(profile().check(), Ok(()));
        let role = |role| ClassRule { role: Some(role), ..ClassRule::default() };
        assert_eq!(key_of(&Profile { name: "A b".into(), ..profile() }), "name");
        assert_eq!(key_of(&Profile { name: "none".into(), ..profile() }), "name");
        assert_eq!(key_of(&Profile { product: " ".into(), ..profile() }), "product");
        assert_eq!(key_of(&with_rule("a", role(Role::Derived))), "classes.a.role");
        assert_eq!(key_of(&with_rule("*", role(Role::Transient))), "classes.*.role");
        let rebuild = ClassRule { rebuild: Some("x".into()), ..ClassRule::default() };
        assert_eq!(key_of(&with_rule("a", rebuild)), "classes.a.rebuild");
        let stale = ClassRule { stale_after: "1d".to_owned().try_into().ok(), ..ClassRule::default() };
        assert_eq!(key_of(&with_rule("a", stale)), "classes.a.stale_after");
        let recognise = Some(Recognition { classes: vec!["a*".into()], absent: Vec::new() });
        assert_eq!(key_of(&Profile { recognise, ..profile() }), "recognise.classes");
    }

    #[test]
    fn a_secret_is_never_recorded_as_state() {
        let rule = ClassRule { secret: Some(vec!["secret".into()]), ..ClassRule::default() };
        let hook = |column: &str| Integration {
            name: "webhooks".into(),
            class: "hook".into(),
            columns: vec!["name".into(), column.into()],
        };
        let mut profile = with_rule("hook", rule);
        profile.integrations = vec![hook("payload_url")];
        assert_eq!(profile.check(), Ok(()));
        profile.integrations = vec![hook("secret")];
        assert!(profile.check().unwrap_err().message.contains("hook.secret, which is secret"));
    }
}
