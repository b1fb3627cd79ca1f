//! What happens to a group while clients ask: drawn from a seed, one thing after the other.
//!
//! Each fault is undone before the next, and at the end all is mended; then all members must come to the same state, and
//! the history must check. Which member is meant by a number depends on who is a member by then.

use std::time::Duration;

use super::clients::{Load, LoadError, Tally};
use super::cluster::{Cluster, ClusterError, PATIENCE};
use super::wait::{TooLate, pass, until};
use crate::dice::Dice;

/// The kinds of things that a plan is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Members are killed and come back; members stand still.
    Processes,
    /// Links are cut: around one member, one way, or so that a bridge is left.
    Links,
    /// Members are added, removed, and lose their disks.
    Members,
}

/// Who is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Whoever leads.
    Leader,
    /// The one of this number among the members.
    Number(u64),
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A member is killed, and started again after a while.
    Kill(Whom),
    /// A member stands still for a while.
    Pause(Whom),
    /// A member is cut off for a while.
    Isolate(Whom),
    /// What a member says reaches nobody, and it hears all; or the other way round.
    OneWay(Whom, bool),
    /// Two members don't reach each other; the others reach both.
    Bridge(Whom, Whom),
    /// A member joins.
    Add,
    /// A member is taken out.
    Remove(Whom),
    /// A member loses its disk, is taken out, and another joins in its place.
    Replace(Whom),
}

/// A fault, and how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What happens.
    pub fault: Fault,
    /// For how long.
    pub lasts: Duration,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The group does not do what it must.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The clients saw what can't be.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Something did not come to be in time.
    #[error(transparent)]
    TooLate(#[from] TooLate),
}

/// Draws a plan.
pub fn draw(theme: Theme, seed: u64) -> Vec<Step> {
    let mut dice = Dice::new(seed, "processes");
    let step = |fault, lasts_ms| Step { fault, lasts: Duration::from_millis(lasts_ms) };
    match theme {
        Theme::Processes => (0..6)
            .map(|number| {
                let whom = whom(&mut dice);
                let fault = if number % 2 == 0 { Fault::Kill(whom) } else { Fault::Pause(whom) };
                step(fault, dice.between(100, 2_500))
            })
            .collect(),
        Theme::Links => (0..6)
            .map(|number| {
                let whom = whom(&mut dice);
                let fault = match number % 3 {
                    0 => Fault::Isolate(whom),
                    1 => Fault::OneWay(whom, dice.in_a_thousand(500)),
                    _ => Fault::Bridge(whom, Whom::Number(dice.below(8))),
                };
                step(fault, dice.between(500, 3_000))
            })
            .collect(),
        // Always all of it: a group grows to five, loses two, one of them the leader, and a disk.
        Theme::Members => {
            let replaced = Fault::Replace(whom(&mut dice));
            let faults = [Fault::Add, Fault::Add, Fault::Remove(Whom::Leader), replaced];
            faults.into_iter().map(|fault| step(fault, dice.between(100, 1_000))).collect()
        }
    }
}

fn whom(dice: &mut Dice) -> Whom {
    if dice.in_a_thousand(500) { Whom::Leader } else { Whom::Number(dice.below(8)) }
}

/// Carries a plan out on a group of three, under load.
pub async fn carry_out(cluster: &mut Cluster, steps: &[Step], seed: u64) -> Result<Tally, PlanError> {
    while cluster.members().len() < 3 {
        cluster.join().await?;
    }
    let load = Load::start(cluster, seed)?;
    for step in steps {
        pass(Duration::from_millis(300)).await;
        strike(cluster, *step).await?;
        cluster.require_alive()?;
    }
    cluster.mend();
    until(PATIENCE, async || cluster.leader().await.ok_or_else(|| "nobody leads".to_owned())).await?;
    let tally = load.finish().await?;
    cluster.require_equal().await?;
    cluster.require_alive()?;
    Ok(tally)
}

async fn strike(cluster: &mut Cluster, Step { fault, lasts }: Step) -> Result<(), PlanError> {
    match fault {
        Fault::Kill(whom) => {
            let number = find(cluster, whom).await;
            cluster.kill(number)?;
            pass(lasts).await;
            cluster.start(number)?;
        }
        Fault::Pause(whom) => {
            let number = find(cluster, whom).await;
            cluster.set_paused(number, true)?;
            pass(lasts).await;
            cluster.set_paused(number, false)?;
        }
        Fault::Isolate(whom) => {
            let number = find(cluster, whom).await;
            for other in cluster.members() {
                cluster.set_link(number, other, false);
                cluster.set_link(other, number, false);
            }
            pass(lasts).await;
            cluster.mend();
        }
        Fault::OneWay(whom, is_mute) => {
            let number = find(cluster, whom).await;
            for other in cluster.members() {
                let (from, to) = if is_mute { (number, other) } else { (other, number) };
                cluster.set_link(from, to, false);
            }
            pass(lasts).await;
            cluster.mend();
        }
        Fault::Bridge(one, other) => {
            let (one, other) = (find(cluster, one).await, find(cluster, other).await);
            cluster.set_link(one, other, false);
            cluster.set_link(other, one, false);
            pass(lasts).await;
            cluster.mend();
        }
        Fault::Add => {
            cluster.join().await?;
            pass(lasts).await;
        }
        Fault::Remove(whom) => {
            let number = find(cluster, whom).await;
            cluster.remove(number).await?;
            pass(lasts).await;
        }
        Fault::Replace(whom) => {
            let number = find(cluster, whom).await;
            cluster.wipe(number)?;
            cluster.remove(number).await?;
            cluster.join().await?;
            pass(lasts).await;
        }
    }
    Ok(())
}

/// The place of whoever is meant; if nobody leads at the moment, of the first member.
async fn find(cluster: &Cluster, whom: Whom) -> usize {
    let members = cluster.members();
    match whom {
        Whom::Leader => cluster.leader().await.or(members.first().copied()).unwrap_or_default(),
        Whom::Number(number) => {
            let at = usize::try_from(number).unwrap_or_default() % members.len().max(1);
            members.get(at).copied().unwrap_or_default()
        }
    }
}
