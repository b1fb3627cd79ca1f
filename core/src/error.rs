//! The stable codes of errors that people and scripts meet, and the exit code that goes with each.
//!
//! A code names a fact that somebody can act upon. Codes are never reused or renumbered. The error types of the
//! modules carry the details; each maps to one code here.

use std::fmt;

macro_rules! codes {
    ($(#[doc = $title:literal] $name:ident = $number:literal, exit $exit:literal, $remedy:literal;)*) => {
        /// A stable error code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $title] $name,)*
        }

        impl Code {
            /// All codes, ascending.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The number behind `SR`.
            pub const fn number(self) -> u16 {
                match self { $(Self::$name => $number,)* }
            }

            /// The process's exit code.
            pub const fn exit(self) -> u8 {
                match self { $(Self::$name => $exit,)* }
            }

            /// What has happened, in one sentence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title.trim_ascii_start(),)* }
            }

            /// What to do next, in one sentence.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }
        }
    };
}

codes! {
    /// The command line or an option has no meaning.
    Usage = 1, exit 2, "Run the command with --help to see what it takes.";
    /// There is no room at the given place.
    NoRoom = 10, exit 10, "Check --room, or make one with `strongroom init`.";
    /// A room or depot is already there.
    RoomExists = 11, exit 2, "Use the room as it is, or choose another folder.";
    /// Another run holds the source or the room.
    Busy = 12, exit 11, "Wait until the other run ends, or stop it, then try again.";
    /// The key is missing or does not fit.
    WrongKey = 13, exit 12, "Give the right passphrase or key file.";
    /// The format is newer than this program, or of another kind.
    UnknownFormat = 14, exit 24, "Use a release that knows this format.";
    /// Stored bytes are not what was written.
    Damaged = 15, exit 1, "Run `strongroom verify --read-data`, and restore the depot's files from a copy that verifies.";
    /// The volume is full.
    NoSpace = 16, exit 1, "Free space on the volume, then run the command again; nothing half-written counts.";
    /// The volume failed a write or a sync.
    VolumeFailed = 17, exit 1, "Check the volume and its logs; Strongroom writes nothing more to it until it is opened again.";
    /// A name or id does not lead to anything.
    NotFound = 18, exit 1, "List what there is with `snapshots`, `source ls` or `ls`.";
    /// A name or id leads to more than one thing.
    Ambiguous = 19, exit 2, "Give more of the name or id.";
    /// The depot is ahead of what the host remembers of a source.
    LedgerBehind = 20, exit 1, "The host's state was lost or rolled back: bring ROOM/state back from a newer copy, or register the source under a new name.";
    /// The object store that holds the depot can't be reached, or does not answer in time.
    DepotUnreachable = 25, exit 1, "Check the depot's URL, region, endpoint and network, then run the command again; what was stored is reused.";
    /// The object store that holds the depot refuses the access, or has no such bucket.
    DepotRefused = 26, exit 1, "Check the bucket's name and region, and that the credentials may list, read and put below the depot's prefix.";
    /// A clock is too far off for what depends on it.
    ClockUnsafe = 27, exit 22, "Set this host's clock, and keep it with NTP.";
    /// What is stored needs more memory than there is.
    NoMemory = 28, exit 1, "Give the process more memory, or restore on a machine that has more.";
    /// The source can't be reached.
    SourceUnreachable = 30, exit 1, "Check the URL, the network and that the server runs.";
    /// The source refused the login.
    SourceLogin = 31, exit 1, "Check user and password, or the server's access rules.";
    /// The login may not read all that must be captured.
    SourcePrivilege = 32, exit 1, "Grant what is named, for example pg_read_all_data, and BYPASSRLS where row security is on.";
    /// The source's version is not supported.
    SourceVersion = 33, exit 24, "Use a supported version, or install tools as new as the server.";
    /// Somebody waits for locks that the capture holds, or it could not get them.
    SourceLocked = 34, exit 11, "Try again when no migration runs.";
    /// The source changed shape between planning and reading.
    SourceChanged = 35, exit 1, "Run the backup again when no migration runs.";
    /// The connection broke while reading.
    SourceLost = 36, exit 1, "Run the backup again; what was stored is reused or reclaimed.";
    /// The source holds something that can't be captured.
    SourceUnsupported = 37, exit 3, "See the finding for what was left out, and why.";
    /// The source answered with an error that has no code of its own.
    SourceFailed = 38, exit 1, "Read the server's message and its log.";
    /// The capture is durable, but not all could be read.
    Incomplete = 39, exit 3, "Read the findings; the snapshot is kept and marked incomplete.";
    /// The restore's target holds data.
    TargetNotEmpty = 50, exit 2, "Restore into an empty database, or allow the swap with --over.";
    /// The target lacks what the snapshot needs, or refused it.
    TargetFailed = 51, exit 1, "Read the server's message; nothing half-loaded was left under the target's name.";
    /// The restored system does not equal the snapshot.
    VerdictFailed = 52, exit 26, "Do not use the target; compare the listed differences.";
    /// Verification found damage.
    VerifyFailed = 53, exit 26, "Read the findings, and restore the depot's files from a copy that verifies.";
    /// Single records can't be restored as the target is now.
    RestoreConflict = 54, exit 1, "Read the conflicts; leave them out with --on-conflict skip, or restore what they need with --with-references.";
    /// Whether a restore took effect is not known.
    RestoreUnknown = 55, exit 1, "Run the same command again once the target can be reached; it finds out first.";
    /// The target makes something else of a record than was written.
    RestoreAltered = 56, exit 1, "Nothing was restored: disable the trigger or rule that changes the record, or restore as a login that may silence triggers.";
    /// The target was changed between the plan and the restore.
    RestoreMoved = 57, exit 1, "Nothing was restored: run the same command again, and look at the new plan.";
    /// More would change than one partial restore may hold.
    RestoreTooLarge = 58, exit 1, "Nothing was restored: take fewer classes or records at once, or restore the whole snapshot into a new database.";
    /// The restore that is to be undone went into another target.
    RestoreElsewhere = 59, exit 2, "Give --to the target that the message names.";
    /// Stopped by the user.
    Interrupted = 60, exit 130, "Run the command again; it goes on from what is durable.";
    /// The audit log is not what was signed.
    AuditRefuted = 61, exit 26, "Keep what you have, get the log from another member, and compare it with checkpoints that were kept elsewhere.";
    /// The folder holds no member of a coordinator.
    NoMember = 66, exit 10, "Check the folder, or make a member with `coordinator init` or `coordinator join`.";
    /// The folder of a new member is not empty.
    MemberExists = 67, exit 2, "Run the member that is there, or give an empty folder.";
    /// The member of the coordinator can't run.
    MemberEnded = 68, exit 1, "Read the member's log; a member that is quarantined is removed and joins again from an empty folder.";
    /// No leader of the coordinator answered in time.
    NoLeader = 69, exit 27, "Check that most members run and reach each other, then run the command again.";
    /// Whether the coordinator did what was asked is not known.
    GroupUnknown = 70, exit 1, "Look at what there is before you ask again; it may have been done, or be done yet.";
    /// The coordinator refused what was asked.
    GroupRefused = 71, exit 20, "Read why, and ask for something else, or ask somebody who may.";
    /// A run that somebody asked for may not start now.
    RunRefused = 73, exit 20, "Ask again when the blackout is over or the source is enabled, or force the run.";
    /// The agent's process ended in the middle of a run.
    RunLost = 74, exit 1, "Nothing needs doing: the run is tried again. If it happens often, read the agent's log.";
    /// The snapshot is durable, but not protected as its contract asks.
    NotProtected = 77, exit 4, "Run the backup again: it first commits what the depot already holds.";
    /// The group has committed a snapshot that the depot does not hold.
    SnapshotLost = 78, exit 1, "Restore the depot's files from a copy that verifies, and run `strongroom doctor`.";
    /// The coordinator's state in this room can't be used.
    MemberUnusable = 79, exit 1, "Move ROOM/state/coordinator elsewhere: the next command builds it anew from the depot and what this host keeps.";
    /// The folder of a new identity holds one.
    IdentityExists = 83, exit 2, "Nothing was changed. Use the identity as it is, or give another folder.";
    /// What is left of a group makes no plan for founding it anew.
    RecoveryRefused = 87, exit 20, "Read why: start the members that are left, or give other folders.";
    /// The backup of the coordinator's state is not what was written.
    StateBackupDamaged = 88, exit 1, "Use another backup: depots keep them in their folder states, one file for each.";
    /// Nobody consented to this recovery.
    RecoveryUnconsented = 89, exit 23, "Read the plan, and give its digest with --yes.";
    /// A promise to a source is broken: its newest protected snapshot is older than its contract allows.
    PromiseBroken = 90, exit 4, "Read the findings: each says what keeps the source from being protected.";
    /// A part of the installation is not as it should be; no promise is broken yet.
    Degraded = 91, exit 1, "Read the findings: each says what to do about it.";
    /// The depot lacks a part of a source's chain of snapshots.
    ChainGap = 92, exit 1, "Restore the depot's manifests from a copy, then run the backup again: it commits what follows.";
    /// A defect of Strongroom.
    Internal = 99, exit 1, "This is a defect: report it with the message.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SR{:04}", self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn codes_ascend_so_none_is_given_twice() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].number() < pair[1].number()));
    }
}
