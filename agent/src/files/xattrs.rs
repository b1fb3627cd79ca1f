//! Extended attributes, in one form for equal sets: names in byte order, each followed by its value.

use std::os::fd::OwnedFd;

use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fsetxattr};
use rustix::io::Errno;
use strongroom_core::codec::{Malformed, Reader, put_bytes};

/// Bytes of names or of one value, as Linux allows.
const BYTES_MAX: usize = 64 * 1024;

/// A buffer that holds the names of most.
const BYTES_MIN: usize = 1024;

/// Attributes that the host gives by its own policy.
const OF_THE_HOST: [&[u8]; 2] = [b"security.selinux", b"security.evm"];

/// Reads the attributes of an open file or folder. A file system without any has none.
pub(super) fn read(file: &OwnedFd) -> Result<Vec<u8>, Errno> {
    let mut names = vec![0; BYTES_MIN];
    let mut listed = flistxattr(file, &mut names);
    if listed == Err(Errno::RANGE) {
        names.resize(BYTES_MAX, 0);
        listed = flistxattr(file, &mut names);
    }
    names.truncate(match listed {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Vec::new()),
        other => other?,
    });
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut sorted: Vec<&[u8]> = names.split(|byte| *byte == 0).filter(|name| !name.is_empty()).collect();
    sorted.sort_unstable();
    let mut out = Vec::new();
    let mut value = vec![0; BYTES_MAX];
    for name in sorted.into_iter().filter(|name| !OF_THE_HOST.contains(name)) {
        match fgetxattr(file, name, &mut value) {
            Ok(length) => {
                put_bytes(&mut out, name);
                put_bytes(&mut out, value.get(..length).unwrap_or_default());
            }
            // Gone since it was listed, or none of ours to read.
            Err(Errno::NODATA | Errno::PERM | Errno::ACCESS) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(out)
}

/// A name and its value.
pub type Attribute<'a> = (&'a [u8], &'a [u8]);

/// The attributes of an encoded set.
pub fn parse(encoded: &[u8]) -> Result<Vec<Attribute<'_>>, Malformed> {
    let mut reader = Reader::new(encoded, "extended attributes");
    let mut found = Vec::new();
    while reader.remaining() > 0 {
        found.push((reader.bytes()?, reader.bytes()?));
    }
    Ok(found)
}

/// Gives a file one attribute.
pub(super) fn set(file: &OwnedFd, name: &[u8], value: &[u8]) -> Result<(), Errno> {
    fsetxattr(file, name, value, XattrFlags::empty())
}
