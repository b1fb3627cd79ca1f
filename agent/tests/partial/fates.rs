//! What became of a transaction: never told before it is so, never by a number that means another transaction.

use std::sync::Arc;

use strongroom_agent::live::{Fate, Intent, LiveSession, LiveTarget as _, TransactionMark};
use strongroom_agent::partial::{Outcome, PartialError, SafetyCopy, settle};
use strongroom_agent::postgres::{PostgresLive, PostgresOptions, PostgresSource};
use strongroom_core::id::RestoreId;
use strongroom_platform::disk::{Disk, SimDisk, durable_replace, durable_write};

use crate::cluster::{Cluster, clusters};
use crate::harness::{copy, ids, rows, vault};

const TABLE: &str = "CREATE TABLE egg (id int PRIMARY KEY, note text); INSERT INTO egg VALUES (1, 'old');";

/// A database with one record, and safety copies that say that it was `old` and was made `new`.
struct Scene {
    cluster: Arc<Cluster>,
    database: String,
    target: PostgresLive,
    copy: SafetyCopy,
}

impl Scene {
    fn new(cluster: &Arc<Cluster>, word: &str) -> Self {
        let database = cluster.database(word, TABLE);
        let url = cluster.url(&database);
        let source = PostgresSource::new(&url, PostgresOptions::default()).unwrap();
        let old = rows(&source);
        cluster.psql(&database, "UPDATE egg SET note = 'new'");
        let new = rows(&source);
        cluster.psql(&database, "UPDATE egg SET note = 'old'");
        let target = PostgresLive::new(&url, &PostgresOptions::default()).unwrap();
        let copy = copy(&new, &old, target.place());
        Self { cluster: Arc::clone(cluster), database, target, copy }
    }

    fn live_as(&self, role: &str) -> PostgresLive {
        PostgresLive::new(&self.cluster.url_as(role, &self.database), &PostgresOptions::default()).unwrap()
    }

    fn fate(&self, mark: &TransactionMark) -> Fate {
        fate(&self.target, mark)
    }

    /// A copy of a restore whose run died, and what is found out about it.
    fn settled(&self, mark: &TransactionMark) -> Result<Outcome, PartialError> {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
        let vault = vault(&disk);
        vault.keep(&SafetyCopy { mark: Some(mark.clone()), ..self.copy.clone() }).unwrap();
        let (restore, outcome) = settle(&vault, &self.target, &ids()).unwrap().pop().unwrap();
        assert_eq!(vault.outcome(restore).unwrap(), outcome.as_ref().ok().copied(), "what is told is noted");
        outcome
    }
}

fn fate(target: &PostgresLive, mark: &TransactionMark) -> Fate {
    let mut session = target.connect().unwrap();
    session.begin(Intent::Look, &[]).unwrap();
    session.fate(mark).unwrap()
}

/// Begins a transaction that writes.
fn begin(target: &PostgresLive) -> (Box<dyn LiveSession>, TransactionMark) {
    let mut session = target.connect().unwrap();
    session.begin(Intent::Write, &[]).unwrap();
    let mark = session.mark().unwrap().unwrap();
    (session, mark)
}

/// A mark with another value in one of its places: server, timeline, database, number.
fn with(mark: &TransactionMark, place: usize, value: &str) -> TransactionMark {
    let mut parts: Vec<&str> = mark.0.split('/').collect();
    parts[place] = value;
    TransactionMark(parts.join("/"))
}

#[test]
fn a_transaction_that_runs_is_never_gone() {
    for cluster in clusters("a_transaction_that_runs_is_never_gone") {
        // No other test's transactions: this one has the newest number, and none with a later one has ended.
        let cluster = Arc::new(cluster.again());
        let scene = Scene::new(&cluster, "running");
        let (mut session, mark) = begin(&scene.target);
        assert_eq!(scene.fate(&mark), Fate::Running);
        assert!(matches!(scene.settled(&mark), Err(PartialError::Unknown { .. })));
        assert_eq!(scene.fate(&with(&mark, 0, "")), Fate::Running, "whoever may not ask for the server's id");
        cluster.query(&scene.database, "SELECT pg_current_xact_id()");
        assert_eq!(scene.fate(&mark), Fate::Running, "with later numbers that have ended");
        session.roll_back().unwrap();
        assert_eq!(scene.fate(&mark), Fate::Gone);
        assert_eq!(scene.settled(&mark).unwrap(), Outcome::Gone);
    }
}

#[test]
fn a_number_counts_on_its_own_server_timeline_and_database_alone() {
    for cluster in clusters("a_number_counts_on_its_own_server_timeline_and_database_alone") {
        let scene = Scene::new(&cluster, "elsewhere");
        let (mut session, mark) = begin(&scene.target);
        session.commit().unwrap();
        assert_eq!(scene.fate(&mark), Fate::Committed);
        for (place, value) in [(0, "1"), (0, ""), (1, "000000AB"), (2, "1"), (3, "900000000000"), (3, "x"), (3, "")] {
            assert_eq!(scene.fate(&with(&mark, place, value)), Fate::Unknown, "{place}: {value}");
        }
        assert_eq!(scene.fate(&TransactionMark("7".into())), Fate::Unknown);
        // The records decide then.
        let elsewhere = with(&mark, 1, "000000AB");
        assert_eq!(scene.settled(&elsewhere).unwrap(), Outcome::Gone);
        scene.cluster.psql(&scene.database, "UPDATE egg SET note = 'new'");
        assert_eq!(scene.settled(&elsewhere).unwrap(), Outcome::Committed);
        assert_eq!(scene.settled(&mark).unwrap(), Outcome::Committed);
    }
}

#[test]
fn records_that_contradict_the_number_are_believed_no_more_than_it() {
    for cluster in clusters("records_that_contradict_the_number_are_believed_no_more_than_it") {
        let scene = Scene::new(&cluster, "contradicted");
        let (mut session, mark) = begin(&scene.target);
        session.commit().unwrap();
        // As after a crash that lost the restore, whose number was then given to another transaction.
        let Err(PartialError::Unknown { source, .. }) = scene.settled(&mark) else { panic!("it is not known") };
        assert!(source.to_string().contains("its records another"), "{source}");
        scene.cluster.psql(&scene.database, "UPDATE egg SET note = 'other'");
        assert_eq!(scene.settled(&mark).unwrap(), Outcome::Committed, "records that say nothing do not contradict");
    }
}

#[test]
fn a_login_that_may_not_ask_for_the_servers_id_can_restore_and_is_not_misled() {
    for cluster in clusters("a_login_that_may_not_ask_for_the_servers_id_can_restore_and_is_not_misled") {
        let scene = Scene::new(&cluster, "clerk");
        let role = cluster.name("clerk");
        cluster.psql(
            &scene.database,
            &format!("CREATE ROLE {role} LOGIN; REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC"),
        );
        let clerk = scene.live_as(&role);
        let (mut session, mark) = begin(&clerk);
        assert_eq!((fate(&clerk, &mark), scene.fate(&mark)), (Fate::Running, Fate::Running));
        session.commit().unwrap();
        assert_eq!(fate(&clerk, &mark), Fate::Committed);
        assert_eq!(scene.fate(&mark), Fate::Unknown, "another server may have given this number");
    }
}

#[test]
fn a_copy_that_can_not_be_read_stands_in_nobodys_way() {
    for cluster in clusters("a_copy_that_can_not_be_read_stands_in_nobodys_way") {
        let scene = Scene::new(&cluster, "damaged");
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
        let vault = vault(&disk);
        let [torn, unnoted, other, whole, elsewhere] = [3, 4, 5, 6, 7].map(|number| RestoreId([number; 16]));
        durable_write(&disk, &format!("restores/{torn}.copy"), b"torn").unwrap();
        for restore in [unnoted, whole] {
            vault.keep(&SafetyCopy { restore, ..scene.copy.clone() }).unwrap();
        }
        durable_write(&disk, &format!("restores/{unnoted}.outcome"), b"{").unwrap();
        vault.keep(&SafetyCopy { restore: other, place: "elsewhere".into(), ..scene.copy.clone() }).unwrap();
        // Of another target, and damaged: it is passed over without a word. Under another name nothing of it is believed.
        let path = format!("restores/{other}.copy");
        let mut damaged = disk.read(&path, 1 << 20).unwrap();
        *damaged.last_mut().unwrap() ^= 1;
        durable_write(&disk, &format!("restores/{elsewhere}.copy"), &damaged).unwrap();
        durable_replace(&disk, &path, &damaged).unwrap();
        assert!(vault.load("05").is_err());
        let settled = settle(&vault, &scene.target, &ids()).unwrap();
        let told: Vec<_> =
            settled.iter().map(|(restore, outcome)| (*restore, outcome.as_ref().ok().copied())).collect();
        assert_eq!(told, [(torn, None), (unnoted, None), (whole, Some(Outcome::Gone)), (elsewhere, None)]);
        assert_eq!((vault.outcome(whole).unwrap(), vault.outcome(other).unwrap()), (Some(Outcome::Gone), None));
        assert_eq!(vault.load("06").unwrap().restore, whole);
    }
}

#[test]
fn a_server_that_was_recovered_is_another_one_and_a_standby_knows_nothing() {
    for cluster in clusters("a_server_that_was_recovered_is_another_one_and_a_standby_knows_nothing") {
        let cluster = Arc::new(cluster.again());
        let scene = Scene::new(&cluster, "recovered");
        let (mut session, mark) = begin(&scene.target);
        session.commit().unwrap();
        drop(session);
        assert_eq!(scene.fate(&mark), Fate::Committed);
        cluster.recover("recovery.signal");
        assert_eq!(scene.fate(&mark), Fate::Unknown, "from the first moment on the new timeline");
        let (mut session, next) = begin(&scene.target);
        session.commit().unwrap();
        drop(session);
        assert_eq!(scene.fate(&next), Fate::Committed);
        cluster.recover("standby.signal");
        let Err(PartialError::Unknown { source, .. }) = scene.settled(&next) else { panic!("a standby told") };
        assert!(source.to_string().contains("standby"), "{source}");
    }
}
