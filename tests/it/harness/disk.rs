//! Small disks that fill up, turn read-only or fail, as mounts of their own. They need root.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::wait_until;

/// A file system of its own, unmounted when it is dropped.
pub struct SmallDisk {
    at: PathBuf,
    /// What holds the image, of one that is a file.
    below: Option<Box<SmallDisk>>,
}

impl SmallDisk {
    /// In memory. `None`, and the test is skipped, where nothing may be mounted.
    pub fn in_memory(test: &str, at: PathBuf, kib: u32) -> Option<Self> {
        let options = format!("size={kib}k,mode=0700");
        let mounted = succeeds(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&at));
        if !mounted {
            crate::skipped(test, "it needs root to mount a small disk");
        }
        mounted.then_some(Self { at, below: None })
    }

    /// An ext4 in a sparse file in memory: 24 MiB, in which only free blocks are holes.
    pub fn ext4(test: &str, at: PathBuf, below: PathBuf) -> Option<Self> {
        fs::create_dir(&below).unwrap();
        let below = Self::in_memory(test, below, 32 << 10)?;
        let image = below.image();
        File::create(&image).unwrap().set_len(24 << 20).unwrap();
        let mut make = Command::new("mkfs.ext4");
        make.args(["-q", "-F", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0"]).arg(&image);
        let made = succeeds(&mut make) && {
            // Read and written back, so that the holes for the journal and the tables are filled; then free blocks are holes again.
            fs::write(&image, fs::read(&image).unwrap()).unwrap();
            mount_image(&image, &at) && succeeds(Command::new("fstrim").arg(&at))
        };
        if !made {
            crate::skipped(test, "it needs mkfs.ext4, a loop device and fstrim");
            return None;
        }
        fs::set_permissions(&at, Permissions::from_mode(0o700)).unwrap();
        Some(Self { at, below: Some(Box::new(below)) })
    }

    fn image(&self) -> PathBuf {
        self.at.join("image")
    }

    pub fn fill(&self) {
        let mut file = File::create(self.at.join("filler")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    pub fn free(&self) {
        fs::remove_file(self.at.join("filler")).unwrap();
    }

    /// From now on, what is written to new blocks does not get through: fsync says so, and write does not.
    pub fn break_writes(&self) {
        self.below.as_ref().unwrap().fill();
    }

    pub fn mend_writes(&self) {
        self.below.as_ref().unwrap().free();
    }

    /// As the kernel does when it finds the file system broken: read-only under the files that are open.
    pub fn find_broken(&self) {
        let device = device_at(&self.at);
        fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "1").unwrap();
        assert!(File::create(self.at.join("probe")).is_err(), "it is not read-only");
    }

    /// What an operator does then: unmounts, checks, mounts. What is read afterwards is what the disk has.
    pub fn repair(&self) {
        self.unmount();
        let image = self.below.as_ref().unwrap().image();
        let status = Command::new("e2fsck").args(["-f", "-y"]).arg(&image).output().unwrap().status;
        assert!(matches!(status.code(), Some(0 | 1)), "{status}");
        assert!(mount_image(&image, &self.at));
    }

    /// `ro` or `rw`; nothing may be open.
    pub fn remount(&self, how: &str) {
        assert!(succeeds(Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&self.at)));
    }

    fn unmount(&self) {
        // What a daemon had open is closed a moment after it is gone.
        wait_until("the disk can be unmounted", || succeeds(Command::new("umount").arg(&self.at)));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: after a failed test the daemon still has it open.
        Command::new("umount").arg("-l").arg(&self.at).status().unwrap();
    }
}

fn mount_image(image: &Path, at: &Path) -> bool {
    let mounted = succeeds(Command::new("mount").args(["-t", "ext4", "-o", "loop,errors=remount-ro"]).arg(image).arg(at));
    // A request is one page of the memory below, which takes it or does not. Of a longer one it may take a part, and the loop
    // device then says that all of it was written: no program can stand up to a disk that lies.
    mounted && fs::write(format!("/sys/block/{}/queue/max_sectors_kb", device_at(at)), "4").is_ok()
}

/// Such as `loop0`.
fn device_at(at: &Path) -> String {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let ours = mounts.lines().find(|line| line.split(' ').nth(1) == at.to_str()).unwrap();
    Path::new(ours.split(' ').next().unwrap()).file_name().unwrap().to_str().unwrap().to_owned()
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
