//! The kind of file system that a folder lies on: whether its system tells of every change, and answers with what is.
//!
//! Known are file systems of this machine's own disks. Of all others, such as those of networks and of virtual machines, it is
//! assumed that changes are made elsewhere and nobody is told.

use std::fs::File;
use std::io;
use std::path::Path;

/// Numbers of file systems, as Linux has them, and what they are called.
#[cfg(target_os = "linux")]
const LOCAL: [(u64, &str); 9] = [
    (0xEF53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683E, "btrfs"),
    (0x0102_1994, "tmpfs"),
    (0x2FC1_2FC1, "zfs"),
    (0xF2F5_2010, "f2fs"),
    (0x794C_7630, "overlayfs"),
    (0xCA45_1A4E, "bcachefs"),
    (0x8584_58F6, "ramfs"),
];
#[cfg(target_os = "linux")]
const REMOTE: [(u64, &str); 9] = [
    (0x6969, "nfs"),
    (0xFE53_4D42, "smb"),
    (0xFF53_4D42, "cifs"),
    (0x517B, "smb"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "fuse"),
    (0x786F_4256, "vboxsf"),
    (0x00C3_6400, "ceph"),
    (0x4D44, "fat"),
];

/// A file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileSystem {
    /// Whether it is one of this machine's own.
    pub(crate) is_local: bool,
    /// What it is called.
    pub(crate) name: &'static str,
}

impl FileSystem {
    /// The one that a directory lies on.
    pub(crate) fn of(directory: &Path) -> io::Result<Self> {
        Self::told(&File::open(directory)?)
    }

    #[cfg(target_os = "linux")]
    fn told(directory: &File) -> io::Result<Self> {
        let number = u64::from((rustix::fs::fstatfs(directory)?.f_type as i64 as u64) as u32);
        let named =
            |known: &[(u64, &'static str)]| known.iter().find(|(known, _)| *known == number).map(|(_, name)| *name);
        Ok(match (named(&LOCAL), named(&REMOTE)) {
            (Some(name), _) => Self { is_local: true, name },
            (None, name) => Self {
                is_local: false,
                name: name.unwrap_or("an unknown file system"),
            },
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn told(_: &File) -> io::Result<Self> {
        Ok(Self {
            is_local: false,
            name: "an unknown file system",
        })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_file_system_is_not_taken_for_a_local_one() {
        let shared = FileSystem::of(Path::new("/dev/shm")).expect("told");
        assert_eq!((shared.is_local, shared.name), (true, "tmpfs"));
        let processes = FileSystem::of(Path::new("/proc")).expect("told");
        assert!(!processes.is_local);
    }
}
