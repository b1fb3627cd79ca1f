//! The state's database: rows below the overlay, in one file that is changed in place.
//!
//! Owns the use of `redb`, over the disk seam, so that the same engine runs in simulation. One flush is one transaction
//! in two phases; a crash leaves the state as of the last flush or as of this one, and opening needs no repair. The file
//! is trusted for what its checksums hold; whether it is the right one is for the log to say, which names its generation.
//!
//! Reads go through one view that is renewed by each flush: a view that outlived many would make the file grow without
//! end.
//!
//! **A full disk** fails a flush and nothing else. The engine takes no more calls after an error of its file, so it is
//! opened anew on the same file, which stands where the last flush left it; the layer can be flushed again later. A read
//! that meets the engine in between waits for that.

mod backend;
mod copy;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use redb::{Builder, Database, Durability, ReadOnlyTable, ReadableDatabase, StorageError, TableDefinition};
use strongroom_platform::disk::{Disk, DiskError, DiskUpdate, DurableFile};

use crate::state::{Base, Layer, RawRows, Unreadable};
use backend::DiskBackend;
pub use copy::{Copied, copy};

/// The folder of the state's files.
pub const DIR: &str = "state";
/// All rows, under their tagged keys.
const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
/// Memory that the engine may use for pages.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Why the database can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk refused.
    #[error("the state's file can't be reached")]
    Disk(#[source] DiskError),
    /// The disk has no space for a flush. The state is as it was before, and the flush may be tried again.
    #[error("the disk has no space for the state")]
    NoSpace,
    /// The engine refused: the file is damaged, or the disk failed below it.
    #[error("the state's database failed")]
    Engine(#[source] Box<redb::Error>),
}

impl From<DiskError> for StoreError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl<E: Into<redb::Error>> From<EngineError<E>> for StoreError {
    fn from(error: EngineError<E>) -> Self {
        Self::Engine(Box::new(error.0.into()))
    }
}

/// An error of the engine, of whichever of its many types.
struct EngineError<E>(E);

/// Turns a result of the engine into ours.
fn engine<T, E: Into<redb::Error>>(result: Result<T, E>) -> Result<T, StoreError> {
    Ok(result.map_err(EngineError)?)
}

/// The path of a generation of the state.
pub fn path(generation: u64) -> String {
    format!("{DIR}/{generation:016x}.redb")
}

/// The generations of the state that lie in a folder, ascending.
pub fn generations(disk: &dyn Disk) -> Result<Vec<u64>, DiskError> {
    let number = |name: &str| u64::from_str_radix(name.strip_suffix(".redb")?, 16).ok();
    Ok(disk.list(DIR)?.iter().filter_map(|entry| number(&entry.name)).collect())
}

/// Where a state is staged before it gets its generation.
pub fn staged_path(name: &str) -> String {
    format!("{DIR}/{name}.staged")
}

/// Removes a file of the state's folder that may be gone already.
pub fn discard(disk: &Arc<dyn Disk>, path: &str) -> Result<(), DiskError> {
    match disk.remove(path) {
        Ok(()) | Err(DiskError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// An open state.
pub struct Store {
    file: Arc<dyn DiskUpdate>,
    open: RwLock<Open>,
    /// Held while the file is changed, until the engine can be asked again.
    changing: Mutex<()>,
}

/// The engine on its file, and the view of what was flushed last.
#[derive(Clone)]
struct Open {
    database: Arc<Database>,
    view: Arc<View>,
    has_run_full: Arc<AtomicBool>,
}

type View = ReadOnlyTable<&'static [u8], &'static [u8]>;

impl Open {
    fn on(file: &Arc<dyn DiskUpdate>, rows: Option<&Layer>) -> Result<Self, StoreError> {
        let (backend, has_run_full) = DiskBackend::new(Arc::clone(file));
        let database = engine(Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend))?;
        if let Some(rows) = rows {
            write(&database, rows)?;
        }
        let view = Arc::new(view(&database)?);
        Ok(Self { database: Arc::new(database), view, has_run_full })
    }
}

impl Store {
    /// Makes a state of these rows, durably, under a name that is free.
    pub fn create(disk: &Arc<dyn Disk>, path: &str, rows: &Layer) -> Result<(), StoreError> {
        Building::begin(disk, rows)?.finish(path)
    }

    /// Opens a state that is there.
    pub fn open(disk: &dyn Disk, path: &str) -> Result<Self, StoreError> {
        Self::open_with(disk, path, None)
    }

    fn open_with(disk: &dyn Disk, path: &str, rows: Option<&Layer>) -> Result<Self, StoreError> {
        let file: Arc<dyn DiskUpdate> = Arc::from(disk.open_update(path)?);
        let open = RwLock::new(Open::on(&file, rows)?);
        Ok(Self { file, open, changing: Mutex::new(()) })
    }

    /// Puts a layer into the file, whole or not at all. After [`StoreError::NoSpace`] it may be tried again.
    pub fn flush(&self, layer: &Layer) -> Result<(), StoreError> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let Open { database, has_run_full, .. } = self.current().clone();
        let renewed = match write(&database, layer) {
            Ok(()) => Open { view: Arc::new(view(&database)?), database, has_run_full },
            Err(_) if has_run_full.load(Ordering::Acquire) => {
                self.renew(Open::on(&self.file, None)?);
                return Err(StoreError::NoSpace);
            }
            Err(error) => return Err(error),
        };
        self.renew(renewed);
        Ok(())
    }

    fn current(&self) -> RwLockReadGuard<'_, Open> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self) -> Arc<View> {
        Arc::clone(&self.current().view)
    }

    fn renew(&self, open: Open) {
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = open;
    }

    /// Looks at the rows, and once more if the engine was given up meanwhile.
    fn look<T>(&self, look: impl Fn(&View) -> Result<T, StorageError>) -> Result<T, Unreadable> {
        match look(&self.view()) {
            Err(StorageError::PreviousIo) => {
                drop(self.changing.lock().unwrap_or_else(PoisonError::into_inner));
                look(&self.view()).map_err(unreadable)
            }
            looked => looked.map_err(unreadable),
        }
    }
}

/// A state that is being made, under a name that no member opens.
pub struct Building {
    disk: Arc<dyn Disk>,
    store: Arc<Store>,
}

impl Building {
    /// Begins a state of these rows. What is left of an earlier attempt is removed.
    pub fn begin(disk: &Arc<dyn Disk>, rows: &Layer) -> Result<Self, StoreError> {
        let path = Self::path();
        if disk.exists(&path)? {
            disk.remove(&path)?;
        }
        DurableFile::create(disk, &path)?.commit()?;
        let store = Arc::new(Store::open_with(disk.as_ref(), &path, Some(rows))?);
        Ok(Self { disk: Arc::clone(disk), store })
    }

    /// The state so far.
    pub const fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Gives the state its name, durably, which must be free. Nobody may hold the store any more.
    pub fn finish(self, path: &str) -> Result<(), StoreError> {
        let Self { disk, store } = self;
        drop(store);
        disk.rename_no_replace(&Self::path(), path)?;
        Ok(disk.sync_dir(DIR)?)
    }

    fn path() -> String {
        staged_path("new")
    }
}

impl Base for Store {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
        self.look(|view| Ok(view.get(key)?.map(|value| value.value().to_vec())))
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<RawRows, Unreadable> {
        self.look(|view| {
            let mut rows = RawRows::new();
            for row in view.range(from..)? {
                let (key, value) = row?;
                if rows.len() == limit || !key.value().starts_with(prefix) {
                    break;
                }
                rows.push((key.value().to_vec(), value.value().to_vec()));
            }
            Ok(rows)
        })
    }
}

fn write(database: &Database, layer: &Layer) -> Result<(), StoreError> {
    let mut transaction = engine(database.begin_write())?;
    engine(transaction.set_durability(Durability::Immediate))?;
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    {
        let mut table = engine(transaction.open_table(ROWS))?;
        for (key, value) in layer.iter() {
            match value {
                Some(value) => drop(engine(table.insert(key, value))?),
                None => drop(engine(table.remove(key))?),
            }
        }
    }
    engine(transaction.commit())
}

fn view(database: &Database) -> Result<View, StoreError> {
    engine(engine(database.begin_read())?.open_table(ROWS))
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> Unreadable {
    Unreadable::Base(Box::new(error))
}
