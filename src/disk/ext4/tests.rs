//! File systems that mkfs made, against what dumpe2fs says of them.

use super::*;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

impl Bytes for File {
    fn size(&self) -> u64 {
        self.metadata().unwrap().len()
    }
    fn read_at(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.read_exact_at(out, offset)
    }
}

fn tool(program: &str, words: &[&str]) -> Option<String> {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
    let output = Command::new(program).args(words).env("PATH", path).output().ok()?;
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A file system of so many MiB in a file, with some files in it; none without the tools.
fn made(folder: &Path, size: u64, options: &[&str]) -> Option<File> {
    let image = folder.join("image");
    File::create(&image).unwrap().set_len(size << 20).unwrap();
    let tree = folder.join("tree");
    std::fs::create_dir_all(tree.join("below")).unwrap();
    for n in 0..40 {
        std::fs::write(tree.join(format!("below/{n}")), vec![n as u8 + 1; n * 7919]).unwrap();
    }
    let (image, tree) = (image.to_str().unwrap(), tree.to_str().unwrap());
    tool("mkfs.ext4", &[&["-q", "-F", "-d", tree], options, &[image]].concat())?;
    Some(File::open(image).unwrap())
}

/// What dumpe2fs calls free, in blocks, and the size of a block.
fn free_blocks(folder: &Path) -> (u64, Vec<Range<u64>>) {
    let told = tool("dumpe2fs", &[folder.join("image").to_str().unwrap()]).unwrap();
    let block = told.lines().find_map(|l| l.strip_prefix("Block size:")).unwrap().trim();
    let mut all: Vec<Range<u64>> = Vec::new();
    for ranges in told.lines().filter_map(|line| line.strip_prefix("  Free blocks: ")) {
        for range in ranges.split(", ").filter(|range| !range.is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let range = first.parse().unwrap()..last.parse::<u64>().unwrap() + 1;
            match all.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => all.push(range),
            }
        }
    }
    (block.parse().unwrap(), all)
}

#[test]
fn what_dumpe2fs_calls_free_is_free_and_nothing_else() {
    let ways: &[(u64, &[&str])] = &[
        (600, &[]),
        (600, &["-b", "1024"]),
        (600, &["-b", "2048", "-O", "^flex_bg"]),
        (600, &["-b", "4096", "-O", "^64bit,^metadata_csum,uninit_bg"]),
        (600, &["-b", "1024", "-O", "^metadata_csum,^uninit_bg"]),
        (600, &["-t", "ext3"]),
        (300, &["-t", "ext2", "-b", "1024", "-O", "^sparse_super,^resize_inode"]),
        (600, &["-O", "^has_journal,^resize_inode"]),
        (600, &["-O", "sparse_super2,^resize_inode"]),
        (1111, &["-G", "4", "-N", "400000"]),
        (12, &[]),
    ];
    for (size, options) in ways {
        let folder = tempfile::tempdir().unwrap();
        let Some(file) = made(folder.path(), *size, options) else { return };
        let mut free = Free::of(&file, 0, file.size()).unwrap();
        let found: Vec<_> = free.by_ref().collect();
        let (block, expected) = free_blocks(folder.path());
        let expected: Vec<_> =
            expected.iter().map(|range| range.start * block..range.end * block).collect();
        assert_eq!(found, expected, "{options:?}");
        assert_eq!(free.doubtful(), 0, "{options:?}");
    }
}

#[test]
fn a_file_system_in_a_partition_is_told_by_its_place_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let Some(file) = made(folder.path(), 40, &[]) else { return };
    let mut image = vec![0; 40 << 20];
    file.read_exact_at(&mut image, 0).unwrap();
    let disk = File::create_new(folder.path().join("disk")).unwrap();
    disk.write_all_at(&image, 1 << 20).unwrap();
    disk.set_len(50 << 20).unwrap();
    let disk = File::open(folder.path().join("disk")).unwrap();
    let alone: Vec<_> = Free::of(&file, 0, 40 << 20).unwrap().collect();
    let inside: Vec<_> = Free::of(&disk, 1 << 20, 40 << 20).unwrap().collect();
    let moved = |range: &Range<u64>| range.start + (1 << 20)..range.end + (1 << 20);
    assert_eq!(inside, alone.iter().map(moved).collect::<Vec<_>>());
}

/// An image in memory.
struct Memory(Vec<u8>);

impl Bytes for Memory {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }
    fn read_at(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        let range = offset as usize..offset as usize + out.len();
        let found = self.0.get(range).ok_or(std::io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }
}

fn memory(folder: &Path) -> Option<Memory> {
    let file = made(folder, 40, &[])?;
    let mut image = vec![0; 40 << 20];
    file.read_exact_at(&mut image, 0).unwrap();
    Some(Memory(image))
}

#[test]
fn of_a_file_system_that_is_not_in_order_nothing_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let Some(sound) = memory(folder.path()) else { return };
    let wrong: &[(usize, u8, &str)] = &[
        (0x38, 0xff, "no superblock"),
        (0x3a, 0, "not unmounted in order"),
        (0x3a, 3, "e2fsck"),
        (0x60, 0x46, "journal"),
        (0x61, 0x10, "not known"),
        (0x60, 0x50, "not known"),
        (0x65, 0x2, "not known"),
        (0x06, 0x10, "larger than"),
        (0x18, 50, "impossible"),
        (0x23, 0xff, "impossible"),
    ];
    for (at, byte, why) in wrong {
        let mut image = Memory(sound.0.clone());
        image.0[1024 + at] = *byte;
        let told = Free::of(&image, 0, 40 << 20).err().unwrap();
        assert!(told.contains(why), "{at:#x}: {told}");
    }
    let cut = Memory(sound.0[..1500].to_vec());
    assert!(Free::of(&cut, 0, 40 << 20).is_err());
}

#[test]
fn a_group_whose_bitmap_disagrees_counts_as_used() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut image) = memory(folder.path()) else { return };
    let free = Free::of(&image, 0, 40 << 20).unwrap();
    let bitmap = (free.groups[0].bitmap * free.superblock.block) as usize;
    image.0[bitmap + 900] ^= 4;
    let mut free = Free::of(&image, 0, 40 << 20).unwrap();
    let groups = free.superblock.groups;
    assert!(free.by_ref().all(|range| range.start >= free_from(groups)));
    assert_eq!(free.doubtful, 1);
}

/// Where the second group begins, or behind everything.
fn free_from(groups: u64) -> u64 {
    if groups > 1 { 8192 * 1024 } else { u64::MAX }
}

#[test]
fn whatever_bytes_there_are_nothing_breaks() {
    let folder = tempfile::tempdir().unwrap();
    let Some(sound) = memory(folder.path()) else { return };
    let mut state = 1u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut image = Memory(sound.0.clone());
    for _ in 0..3000 {
        let changes: Vec<usize> = (0..1 + random() % 3)
            .map(|_| 1024 + (random() % 8192) as usize)
            .collect();
        changes.iter().for_each(|at| image.0[*at] = random() as u8);
        if let Ok(free) = Free::of(&image, 0, 40 << 20) {
            let mut end = 0;
            for range in free {
                assert!(range.start >= end && range.start < range.end && range.end <= 40 << 20);
                end = range.end;
            }
        }
        changes.iter().for_each(|at| image.0[*at] = sound.0[*at]);
    }
}
