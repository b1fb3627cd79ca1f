//! What must hold whatever the three states are: a plan does what it says, and an undo brings back what was there.

mod memory;

use std::sync::Arc;

use proptest::prelude::*;
use strongroom_core::digest::{IdFunctions, IdKey, Profile};
use strongroom_core::id::{RestoreId, SnapshotId};
use strongroom_core::record::ClassSchema;
use strongroom_core::seal::HostKey;
use strongroom_platform::disk::{Disk, SimDisk};
use strongroom_platform::rng::SystemEntropy;

use super::row::{Row, Value, key_columns};
use super::{
    Action, Asker, Base, Conflict, FromSafetyCopy, Gathered, Intention, Job, Known, OnConflict, Origin, Outcome,
    PartialError, PartialStep, Plan, PlannedClass, Policy, SafetyVault, Triple, carry_out, make_plan, settle,
};
use crate::live::{Checked, LiveReference, LiveTarget as _};
use crate::source::SourceError;
use memory::{Memory, Rules, State};

/// Records of a made-up snapshot, asked for by class and key.
struct FromState<'a> {
    memory: &'a Memory,
    wanted: &'a State,
    base: &'a State,
    asked: Vec<(usize, Vec<u8>)>,
    policy: Policy,
}

impl Known for FromState<'_> {
    fn schema(&self, class: &str) -> Option<&ClassSchema> {
        self.memory.classes.iter().map(|class| &class.schema).find(|schema| schema.name == class)
    }

    fn find(
        &self,
        _: &ClassSchema,
        reference: &LiveReference,
        values: &[Vec<Value>],
    ) -> Result<Vec<Option<Row>>, PartialError> {
        let number = self.memory.number(&reference.class);
        let columns = self.memory.columns(number, &reference.target_columns);
        let found = |values: &Vec<Value>| {
            self.wanted[number].values().find(|row| row.values(&columns).as_ref() == Some(values)).cloned()
        };
        Ok(values.iter().map(found).collect())
    }
}

impl Intention for FromState<'_> {
    fn policy(&self) -> Policy {
        self.policy
    }

    fn gather(&self, asker: &mut Asker<'_>) -> Result<Gathered, PartialError> {
        let mut gathered = Gathered::default();
        for (number, class) in self.memory.classes.iter().enumerate() {
            let live = asker.class(&class.schema.name, None)?.unwrap();
            let common = live.schema.columns.iter().map(|column| column.id).collect();
            gathered.classes.push(PlannedClass { live: (*live).clone(), common, is_whole: false });
            let own: Vec<&Vec<u8>> = self.asked.iter().filter(|(at, _)| *at == number).map(|(_, key)| key).collect();
            let keys: Vec<_> = own.iter().map(|key| vec![memory::key_value(key)]).collect();
            let mut there = asker.by_keys(&live, &keys)?;
            for key in own {
                gathered.triples.push(Triple {
                    class: number,
                    key: key.clone(),
                    key_text: String::from_utf8_lossy(key).into_owned(),
                    origin: Origin::Asked,
                    wanted: self.wanted[number].get(key).cloned(),
                    base: Base::Known(self.base[number].get(key).cloned()),
                    live: there.remove(key),
                });
            }
        }
        Ok(gathered)
    }
}

fn ids() -> IdFunctions {
    IdFunctions::new(Profile::Blake3, &IdKey::from_bytes([7; 32]))
}

fn vault(disk: &Arc<dyn Disk>) -> SafetyVault<'static> {
    SafetyVault::open(Arc::clone(disk), "restores", HostKey::new(Profile::Blake3, [1; 32]), &SystemEntropy).unwrap()
}

fn run(
    memory: &Memory,
    intention: &dyn Intention,
    vault: &SafetyVault<'_>,
    number: u8,
    observer: &dyn Fn(PartialStep) -> Result<(), SourceError>,
) -> Result<Plan, PartialError> {
    let ids = ids();
    let plan = make_plan(intention, memory, &ids)?;
    let job = Job {
        intention,
        target: memory,
        ids: &ids,
        vault,
        restore: RestoreId([number; 16]),
        snapshot: SnapshotId([9; 16]),
        source: "made up",
        undoes: None,
        observer,
    };
    carry_out(&job, &plan).map(|carried| carried.plan)
}

fn policy(on_conflict: OnConflict) -> Policy {
    let blocked = if on_conflict == OnConflict::Skip { OnConflict::Skip } else { OnConflict::Stop };
    Policy { changed: on_conflict, blocked, remake: true, overwrite_needed: false }
}

fn undo_policy() -> Policy {
    Policy { changed: OnConflict::Skip, blocked: OnConflict::Stop, remake: false, overwrite_needed: true }
}

/// All keys of both states, or some of them.
fn keys(one: &State, other: &State, is_asked: impl Fn(usize) -> bool) -> Vec<(usize, Vec<u8>)> {
    let all = one.iter().zip(other).enumerate();
    let mut keys: Vec<(usize, Vec<u8>)> = all
        .flat_map(|(number, (one, other))| one.keys().chain(other.keys()).map(move |key| (number, key.clone())))
        .collect();
    keys.sort();
    keys.dedup();
    keys.into_iter().enumerate().filter(|(at, _)| is_asked(*at)).map(|(_, key)| key).collect()
}

/// What the plan says of each record is what became of it, and of all others nothing.
fn assert_as_planned(plan: &Plan, before: &State, after: &State) {
    let mut expected = before.clone();
    for record in &plan.records {
        let (class, key) = (record.triple.class, record.triple.key.clone());
        match (record.action, &record.triple.wanted) {
            (Action::Create | Action::Overwrite, Some(wanted)) => drop(expected[class].insert(key, wanted.clone())),
            (Action::Delete, _) => drop(expected[class].remove(&key)),
            _ => {}
        }
    }
    assert_eq!(&expected, after);
}

/// The conflicts of a plan that nothing can be done about in one transaction of single statements.
fn is_hopeless(plan: &Plan) -> bool {
    plan.records
        .iter()
        .flat_map(|record| &record.conflicts)
        .all(|conflict| matches!(conflict, Conflict::Changed | Conflict::Circle { .. }))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Everything is asked for, deletes too: then no conflict but a circle can stand against it.
    #[test]
    fn a_whole_restore_gives_the_wanted_state_and_its_undo_the_old_one(
        rules in memory::rules(), wanted in memory::rows(), base in memory::rows(), live in memory::rows(),
    ) {
        let [wanted, base, live] = [wanted, base, live].map(|rows| Memory::valid(rules, &rows));
        let memory = Memory::new(rules, live.clone());
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
        let vault = vault(&disk);
        let asked = keys(&wanted, &live, |_| true);
        let intention = FromState { memory: &memory, wanted: &wanted, base: &base, asked, policy: policy(OnConflict::Overwrite) };
        match run(&memory, &intention, &vault, 1, &|_| Ok(())) {
            Ok(_) => {
                prop_assert_eq!(memory.state(), wanted.clone());
                if wanted == live {
                    return Ok(());
                }
                let copy = vault.load("01").unwrap();
                run(&memory, &FromSafetyCopy::new(&copy, undo_policy()), &vault, 2, &|_| Ok(())).unwrap();
                prop_assert_eq!(memory.state(), live);
                let copy = vault.load("02").unwrap();
                run(&memory, &FromSafetyCopy::new(&copy, undo_policy()), &vault, 3, &|_| Ok(())).unwrap();
                prop_assert_eq!(memory.state(), wanted);
            }
            Err(PartialError::Stopped) => {
                prop_assert!(is_hopeless(&make_plan(&intention, &memory, &ids()).unwrap()));
                prop_assert_eq!(memory.state(), live);
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    /// Some records are asked for: the plan stops or does what it says, and touches nothing else.
    #[test]
    fn a_plan_does_what_it_says_or_nothing(
        rules in memory::rules(), wanted in memory::rows(), base in memory::rows(), live in memory::rows(),
        chosen: u32, on_conflict in prop::sample::select(vec![OnConflict::Stop, OnConflict::Skip, OnConflict::Overwrite]),
    ) {
        let [wanted, base, live] = [wanted, base, live].map(|rows| Memory::valid(rules, &rows));
        let memory = Memory::new(rules, live.clone());
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
        let vault = vault(&disk);
        let asked = keys(&wanted, &live, |at| chosen >> (at % 32) & 1 == 1);
        let intention = FromState { memory: &memory, wanted: &wanted, base: &base, asked, policy: policy(on_conflict) };
        match run(&memory, &intention, &vault, 1, &|_| Ok(())) {
            Ok(plan) => {
                let after = memory.state();
                assert_as_planned(&plan, &live, &after);
                for record in &plan.records {
                    let changed = record.conflicts.contains(&Conflict::Changed);
                    prop_assert!(!(record.action.is_change() && changed && on_conflict != OnConflict::Overwrite));
                }
                if after != live {
                    let copy = vault.load("01").unwrap();
                    run(&memory, &FromSafetyCopy::new(&copy, undo_policy()), &vault, 2, &|_| Ok(())).unwrap();
                    prop_assert_eq!(memory.state(), live);
                }
            }
            Err(PartialError::Stopped) => {
                prop_assert!(on_conflict != OnConflict::Skip);
                prop_assert_eq!(memory.state(), live);
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    /// Somebody changes things between a restore and its undo: what they changed stays.
    #[test]
    fn an_undo_leaves_what_others_changed(
        rules in memory::rules(), wanted in memory::rows(), live in memory::rows(), later in memory::rows(), chosen: u32,
    ) {
        let [wanted, live] = [wanted, live].map(|rows| Memory::valid(rules, &rows));
        let memory = Memory::new(rules, live.clone());
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
        let vault = vault(&disk);
        let asked = keys(&wanted, &live, |_| true);
        let intention = FromState { memory: &memory, wanted: &wanted, base: &live, asked, policy: policy(OnConflict::Overwrite) };
        prop_assume!(run(&memory, &intention, &vault, 1, &|_| Ok(())).is_ok() && wanted != live);
        let mut mixed = later.clone();
        let named = memory::named(&wanted).into_iter().enumerate();
        for (_, (class, key)) in named.filter(|(at, _)| chosen >> (at % 32) & 1 == 0) {
            mixed[class].retain(|row| row.0 != key);
            mixed[class].extend(memory::plain(&wanted, class, &key));
        }
        let now = Memory::valid(rules, &mixed);
        memory.set(now.clone());
        let copy = vault.load("01").unwrap();
        let policy = Policy { blocked: OnConflict::Skip, ..undo_policy() };
        let plan = run(&memory, &FromSafetyCopy::new(&copy, policy), &vault, 2, &|_| Ok(())).unwrap();
        assert_as_planned(&plan, &now, &memory.state());
        let after = memory.state();
        for record in &copy.records {
            let there = now[record.class].get(&record.key);
            if there != record.after.as_ref() {
                prop_assert_eq!(after[record.class].get(&record.key), there);
            }
        }
    }

    /// A run that dies before any of its steps leaves the old state or the new one, and the next one knows which.
    #[test]
    fn a_run_that_dies_leaves_old_or_new_and_it_is_known_which(
        wanted in memory::rows(), live in memory::rows(), dies_at in 0_usize..24,
    ) {
        let rules = Rules::default();
        let [wanted, live] = [wanted, live].map(|rows| Memory::valid(rules, &rows));
        let memory = Memory::new(rules, live.clone());
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
        let vault = vault(&disk);
        let asked = keys(&wanted, &live, |_| true);
        let intention = FromState { memory: &memory, wanted: &wanted, base: &live, asked, policy: policy(OnConflict::Overwrite) };
        prop_assume!(make_plan(&intention, &memory, &ids()).unwrap().is_possible() && wanted != live);
        let steps = std::cell::Cell::new(0);
        let observer = |_| {
            steps.set(steps.get() + 1);
            if steps.get() > dies_at { Err(SourceError::Stopped) } else { Ok(()) }
        };
        let ended = run(&memory, &intention, &vault, 1, &observer);
        let now = memory.state();
        prop_assert!(now == live || now == wanted);
        prop_assert!(ended.is_err() || now == wanted);
        let settled = settle(&vault, &memory, &ids()).unwrap();
        for (_, outcome) in &settled {
            prop_assert_eq!(matches!(outcome, Ok(Outcome::Committed)), now == wanted);
        }
        let known = vault.list().unwrap();
        prop_assert!(now == live || known.iter().all(|id| vault.outcome(*id).unwrap() == Some(Outcome::Committed)) && known.len() == 1);
    }
}

#[test]
fn references_that_lead_nowhere_in_the_snapshot_either_come_back_where_nobody_checks_them() {
    for (checked, is_possible) in [(Checked::Never, true), (Checked::AtEnd, false)] {
        let rules = Rules { checked, ..Rules::default() };
        let memory = Memory::new(rules, State::default());
        let wanted = memory::state_of(&[(0, "1", [Some("one"), None, Some("7")])]);
        let asked = keys(&wanted, &wanted, |_| true);
        let intention =
            FromState { memory: &memory, wanted: &wanted, base: &wanted, asked, policy: policy(OnConflict::Stop) };
        let plan = make_plan(&intention, &memory, &ids()).unwrap();
        assert_eq!((plan.is_possible(), plan.references_broken), (is_possible, u64::from(is_possible)));
    }
}

#[test]
fn a_target_that_moves_between_plan_and_restore_is_left_alone() {
    let live = memory::state_of(&[(0, "1", [Some("one"), None, None])]);
    let wanted = memory::state_of(&[(0, "1", [Some("two"), None, None])]);
    let memory = Memory::new(Rules::default(), live.clone());
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
    let asked = keys(&wanted, &live, |_| true);
    let intention =
        FromState { memory: &memory, wanted: &wanted, base: &live, asked, policy: policy(OnConflict::Stop) };
    let moved = memory::state_of(&[(0, "1", [Some("three"), None, None])]);
    let observer = |step| {
        if step == PartialStep::Begin {
            memory.set(moved.clone());
        }
        Ok(())
    };
    let ended = run(&memory, &intention, &vault(&disk), 1, &observer);
    assert!(matches!(ended, Err(PartialError::Moved)), "{ended:?}");
    assert_eq!(memory.state(), moved);
    assert_eq!(memory.place(), "memory");
    assert_eq!(key_columns(&memory.classes[0].schema).len(), 1);
}
