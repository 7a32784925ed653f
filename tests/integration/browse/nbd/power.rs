//! Overlays on disks that go away at a bad moment.

use super::client::Client;
use super::{LEN, Server, image};
use crate::support::loops::{Mount, administration, does};
use crate::support::{Draw, Home, needs};
use std::path::Path;

/// Cuts a file system off from its disk, as a lost power supply does; `flags` as `xfs_io` has them.
fn cut(at: &Path, flags: &str) {
    let mut command = administration("xfs_io");
    does(command.args(["-x", "-c", &format!("shutdown {flags}")]).arg(at));
}

#[test]
fn what_was_flushed_is_there_after_a_loss_of_power_and_a_sync_that_failed_stays_failed() {
    if !needs("mkfs.ext4") || !needs("mkfs.xfs") || !needs("xfs_io") {
        return;
    }
    // With and without what the journal had still to write.
    for (number, (kind, flags)) in
        [("ext4", ""), ("ext4", "-f"), ("xfs", ""), ("xfs", "-f")].into_iter().enumerate()
    {
        let home = Home::new();
        let (_, mut right) = image(&home);
        let (disk, at) = (home.path("disk"), home.path("mounted"));
        std::fs::File::create(&disk).unwrap().set_len(400 << 20).unwrap();
        let mut make = administration(&format!("mkfs.{kind}"));
        does(make.arg("-q").arg(&disk));
        let Some(mounted) = Mount::of(&disk, at.clone(), "loop") else { return };
        let overlay = at.join("over").display().to_string();
        let server = Server::of(&home, &["latest", "--overlay", &overlay]);
        let mut client = Client::new(&home.path("socket"));
        let mut draw = Draw::new(number as u64);
        let mut write = |client: &mut Client, right: &mut Vec<u8>| {
            for _ in 0..40 {
                let (at, len) = (draw.below(LEN - 70_000), 1 + draw.below(70_000));
                let bytes = draw.noise(len as usize);
                client.write(at, &bytes)?;
                right[at as usize..(at + len) as usize].copy_from_slice(&bytes);
            }
            std::io::Result::Ok(())
        };
        write(&mut client, &mut right).unwrap();
        client.flush().unwrap();
        let flushed = right.clone();
        write(&mut client, &mut right).unwrap();
        cut(&at, flags);
        for _ in 0..3 {
            assert!(client.flush().is_err(), "{kind} {flags}");
        }
        server.kill();
        drop(mounted);
        let Some(_mounted) = Mount::of(&disk, at, "loop") else { return };
        let _server = Server::of(&home, &["latest", "--overlay", &overlay]);
        let all = Client::new(&home.path("socket")).read(0, LEN as u32).unwrap();
        // A place that was written to several times since may have any of that.
        let is_same = |at: &usize| flushed[*at] == right[*at];
        let strange = (0..all.len()).filter(is_same).find(|at| all[*at] != flushed[*at]);
        assert_eq!(strange, None, "{kind} {flags}");
    }
}
