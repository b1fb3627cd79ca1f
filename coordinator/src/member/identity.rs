//! Who a member is, in its own folder.
//!
//! Owns the file `member.json`: the group, the member's id, and the number of its latest start. The id is minted with
//! the folder. A folder whose log is gone does not get another one under the same id: it is a new member.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use strongroom_core::entropy::{Entropy, EntropyError};
use strongroom_platform::disk::{Disk, DiskError, durable_replace, durable_write};

use super::error::OpenError;
use crate::id::{ClusterEpoch, ClusterId, GroupIdentity, MemberId};

const PATH: &str = "member.json";
const FILE_BYTES_MAX: u64 = 4_096;
const VERSION: u32 = 1;

/// A member, in one of its starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberIdentity {
    /// The group.
    pub cluster: ClusterId,
    /// How often the group was founded anew.
    pub epoch: ClusterEpoch,
    /// The member that founded it the last time.
    pub founder: MemberId,
    /// The member.
    pub member: MemberId,
    /// Which start of the member this is, from 1.
    pub boot: u64,
}

/// How a new member comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Founding {
    /// As the first of a new group.
    Group,
    /// As the first of a group that is founded anew: the group, and the epoch that begins.
    Anew(ClusterId, ClusterEpoch),
    /// As one that a group will take in.
    Joining(GroupIdentity),
}

/// The file's form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    cluster: String,
    epoch: u64,
    founder: String,
    member: String,
    boot: u64,
}

impl MemberIdentity {
    /// Mints the identity of a new folder.
    pub(super) fn mint(founding: Founding, entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let (cluster, epoch, founder) = match founding {
            Founding::Group => (ClusterId::mint(entropy)?, ClusterEpoch(1), None),
            Founding::Anew(cluster, epoch) => (cluster, epoch, None),
            Founding::Joining(GroupIdentity { cluster, epoch, founder }) => (cluster, epoch, Some(founder)),
        };
        let member = MemberId::mint(entropy)?;
        Ok(Self { cluster, epoch, founder: founder.unwrap_or(member), member, boot: 0 })
    }

    /// The group, as of the founding that this member belongs to.
    pub const fn group(&self) -> GroupIdentity {
        GroupIdentity { cluster: self.cluster, epoch: self.epoch, founder: self.founder }
    }

    /// Mints the identity of a folder anew, in the place of one that never spoke.
    pub(super) fn renew(disk: &Arc<dyn Disk>, founding: Founding, entropy: &dyn Entropy) -> Result<Self, OpenError> {
        if Self::read(disk.as_ref())?.is_some() {
            disk.remove(PATH)?;
        }
        Self::mint(founding, entropy).map_err(|_| OpenError::NoIdentity)
    }

    /// Writes the identity where there is none.
    pub(super) fn write_new(&self, disk: &Arc<dyn Disk>) -> Result<(), DiskError> {
        durable_write(disk, PATH, &self.encode())
    }

    /// Reads the identity, and counts this start before anything is said in its name.
    pub(super) fn start(disk: &Arc<dyn Disk>) -> Result<Self, OpenError> {
        let mut identity = Self::read(disk.as_ref())?.ok_or(OpenError::Absent)?;
        identity.boot += 1;
        match durable_replace(disk, PATH, &identity.encode()) {
            Ok(()) => Ok(identity),
            Err(full @ DiskError::NoSpace { .. }) => Err(OpenError::NoSpace(full)),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads the identity, if the folder has one.
    pub(crate) fn read(disk: &dyn Disk) -> Result<Option<Self>, OpenError> {
        let bytes = disk.read_if_there(PATH, FILE_BYTES_MAX)?;
        bytes.map(|bytes| Self::decode(&bytes).ok_or(OpenError::NoIdentity)).transpose()
    }

    fn encode(&self) -> Vec<u8> {
        let file = File {
            version: VERSION,
            cluster: self.cluster.to_string(),
            epoch: self.epoch.0,
            founder: self.founder.to_string(),
            member: self.member.to_string(),
            boot: self.boot,
        };
        serde_json::to_vec_pretty(&file).unwrap_or_default()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let file: File = serde_json::from_slice(bytes).ok()?;
        let mut cluster = [0; 16];
        hex::decode_to_slice(&file.cluster, &mut cluster).ok()?;
        let (founder, member) = (file.founder.parse().ok()?, file.member.parse().ok()?);
        let (cluster, epoch) = (ClusterId(cluster), ClusterEpoch(file.epoch));
        (file.version == VERSION).then_some(Self { cluster, epoch, founder, member, boot: file.boot })
    }
}
