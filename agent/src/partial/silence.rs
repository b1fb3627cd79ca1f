//! Triggers of the target: which are kept from firing, which fire, and why.
//!
//! PostgreSQL knows one switch for both, its triggers of users and its own checks of references and late unique keys.
//! So triggers are silenced only where the planner can stand in for all of these checks: where it could describe what
//! refers and is referred to, and the session could lock it.

use super::ask::Asker;
use super::error::PartialError;
use super::plan::{Plan, PlannedClass};
use crate::live::{Checked, Fires};
use crate::source::{Finding, Severity};

/// What became of the triggers.
enum Noise {
    /// They are silent.
    Silenced,
    /// They fire, for a reason.
    Fires(String),
}

/// Keeps triggers from firing where that can be done, and says what is so.
pub(super) fn silence(asker: &mut Asker<'_>, plan: &Plan) -> Result<Vec<Finding>, PartialError> {
    let is_written =
        |number: usize| plan.records.iter().any(|record| record.triple.class == number && record.action.is_change());
    let classes = plan.classes.iter().enumerate();
    let written: Vec<&PlannedClass> =
        classes.filter(|(number, _)| is_written(*number)).map(|(_, class)| class).collect();
    let can_be_silenced =
        |class: &&PlannedClass| class.live.triggers.iter().any(|trigger| trigger.fires == Fires::Usually);
    let noise = if !written.iter().any(can_be_silenced) {
        Noise::Fires("nothing keeps them from it".to_owned())
    } else if let Some(reason) = server_checks(asker, &written)? {
        Noise::Fires(format!("the server has to check the restore itself: {reason}"))
    } else if asker.session.silence()? {
        Noise::Silenced
    } else {
        Noise::Fires("the login may not silence them".to_owned())
    };
    Ok(written.iter().flat_map(|class| findings(class, &noise)).collect())
}

fn findings(class: &PlannedClass, noise: &Noise) -> Vec<Finding> {
    let named = |which: &[Fires]| {
        let triggers = class.live.triggers.iter().filter(|trigger| which.contains(&trigger.fires));
        triggers.map(|trigger| trigger.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let told = match noise {
        Noise::Silenced => vec![
            (
                Severity::Info,
                named(&[Fires::Usually]),
                "do not fire: what they keep elsewhere stays as it is".to_owned(),
            ),
            (
                Severity::Warning,
                named(&[Fires::Always, Fires::Silenced]),
                "fire although others are silenced".to_owned(),
            ),
        ],
        Noise::Fires(why) => {
            vec![(Severity::Warning, named(&[Fires::Usually, Fires::Always]), format!("fire, since {why}"))]
        }
    };
    let finding = |(severity, names, what): (Severity, String, String)| Finding {
        severity,
        subject: class.live.schema.name.clone(),
        message: format!("the triggers {names} {what}"),
    };
    told.into_iter().filter(|(_, names, _)| !names.is_empty()).map(finding).collect()
}

/// What the server alone can check of the written classes; nothing if the planner checks all of it.
fn server_checks(asker: &mut Asker<'_>, written: &[&PlannedClass]) -> Result<Option<String>, PartialError> {
    for class in written {
        let name = &class.live.schema.name;
        if let Some(late) = class.live.late_uniques.first() {
            return Ok(Some(format!("{late} of {name} may be checked late")));
        }
        for reference in class.live.references.iter().filter(|reference| reference.checked != Checked::Never) {
            if reference.columns.iter().any(|id| !class.common.contains(id) && class.live.defaults.contains(id)) {
                return Ok(Some(format!("{} of {name} gets its value from the target", reference.name)));
            }
            match asker.class(&reference.class, None)? {
                None => return Ok(Some(format!("{}, to which {name} refers, is no plain table", reference.class))),
                Some(parent) if parent.unwritable.is_some() => {
                    return Ok(Some(format!("the login may not lock {}, to which {name} refers", reference.class)));
                }
                Some(_) => {}
            }
        }
        for referrer in &class.live.referrers {
            if asker.class(&referrer.class, None)?.is_none() {
                return Ok(Some(format!("{}, which refers to {name}, is no plain table", referrer.class)));
            }
        }
    }
    Ok(None)
}
