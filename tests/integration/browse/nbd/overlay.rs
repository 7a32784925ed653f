//! What clients write is there, and the backup is as it was.

use super::client::{Client, FLUSH, TRIM, ZERO};
use super::{LEN, Server, image, save};
use crate::support::loops::{administration, does};
use crate::support::{Draw, Home, needs, skipped};
use std::process::Command;

/// Bytes of a block of an overlay: what is given up in parts stays.
const BLOCK: u64 = 64 << 10;

/// Does something to the device and to bytes that stand for it.
fn act(draw: &mut Draw, client: &mut Client, right: &mut [u8]) {
    let at = draw.below(LEN);
    let most = draw.one_of(&[512, 4096, 20_000, 300_000]);
    let len = (1 + draw.below(most)).min(LEN - at);
    let range = at as usize..(at + len) as usize;
    match draw.below(10) {
        0..4 => assert!(client.read(at, len as u32).unwrap() == right[range]),
        4..8 => {
            let bytes = vec![draw.below(256) as u8; len as usize];
            client.write(at, &bytes).unwrap();
            right[range].copy_from_slice(&bytes);
        }
        8 => {
            client.other(ZERO, draw.below(4) as u16, at, len as u32).unwrap();
            right[range].fill(0);
        }
        _ => {
            let (from, to) = (at / BLOCK * BLOCK, (at + len).div_ceil(BLOCK) * BLOCK);
            let to = to.min(LEN);
            client.other(TRIM, draw.below(2) as u16, from, (to - from) as u32).unwrap();
            right[from as usize..to as usize].fill(0);
        }
    }
}

#[test]
fn ten_thousand_requests_and_kills_leave_what_a_flat_file_would_have() {
    let home = Home::new();
    let (_, mut right) = image(&home);
    let saved = right.clone();
    let overlay = home.path("over").display().to_string();
    let mut draw = Draw::new(7);
    for round in 0..10 {
        let server = Server::of(&home, &["latest", "--overlay", &overlay]);
        let mut clients = [0, 1].map(|_| Client::new(&home.path("socket")));
        assert_eq!(clients[0].flags & 2, 0, "not read-only");
        let all = clients[0].read(0, LEN as u32).unwrap();
        assert!(all == right, "opened in round {round}");
        for _ in 0..1000 {
            let client = &mut clients[draw.below(2) as usize];
            act(&mut draw, client, &mut right);
        }
        match round % 3 {
            0 => assert_eq!(server.end(), (String::new(), 0)),
            1 => {
                // Over one connection, what was answered over both.
                clients[0].flush().unwrap();
                server.kill();
            }
            _ => {
                clients[1].other(FLUSH, 0, 0, 0).unwrap();
                // What comes behind it may be there or not, and nothing else may.
                let before = right.clone();
                act(&mut draw, &mut clients[0], &mut right);
                server.kill();
                let _server = Server::of(&home, &["latest", "--overlay", &overlay]);
                let all = Client::new(&home.path("socket")).read(0, LEN as u32).unwrap();
                let strange =
                    (0..all.len()).find(|at| all[*at] != before[*at] && all[*at] != right[*at]);
                assert_eq!(strange, None, "in round {round}");
                right = all;
            }
        }
    }
    let _server = Server::of(&home, &["latest"]);
    let all = Client::new(&home.path("socket")).read(0, LEN as u32).unwrap();
    assert!(all == saved, "the backup is as it was");
}

#[test]
fn a_write_that_says_so_is_durable_without_a_flush() {
    let home = Home::new();
    image(&home);
    let overlay = home.path("over").display().to_string();
    let server = Server::of(&home, &["latest", "--overlay", &overlay]);
    let mut client = Client::new(&home.path("socket"));
    client.write(0, &[7; 100]).unwrap();
    client.other(ZERO, 1, 200_000, 100_000).unwrap();
    server.kill();
    let _server = Server::of(&home, &["latest", "--overlay", &overlay]);
    let mut client = Client::new(&home.path("socket"));
    assert_eq!(client.read(200_000, 100_000).unwrap(), vec![0; 100_000]);
    assert_eq!(client.read(0, 100).unwrap(), [7; 100], "it came before");
}

#[test]
fn qemu_writes_to_it_and_carries_the_result_away() {
    if !["qemu-io", "qemu-img"].iter().all(|program| needs(program)) {
        return;
    }
    let home = Home::new();
    let (_, mut right) = image(&home);
    let overlay = home.path("over").display().to_string();
    let server = Server::of(&home, &["latest", "--overlay", &overlay]);
    let mut command = Command::new("qemu-io");
    for what in
        ["write -P 9 100k 300k", "write -z 1M 64k", "discard 5M 128k", "write -P 3 7M 1k", "flush"]
    {
        command.args(["-c", what]);
    }
    does(command.args(["-f", "raw", &server.uri]));
    right[100 << 10..400 << 10].fill(9);
    right[1 << 20..(1 << 20) + (64 << 10)].fill(0);
    right[5 << 20..(5 << 20) + (128 << 10)].fill(0);
    right[7 << 20..(7 << 20) + 1024].fill(3);
    let copy = home.path("copy");
    let convert = ["convert", "-f", "raw", "-O", "raw", &server.uri];
    does(Command::new("qemu-img").args(convert).arg(&copy));
    assert!(std::fs::read(copy).unwrap() == right);
    assert_eq!(server.end(), (String::new(), 0));
}

#[test]
fn an_overlay_of_another_snapshot_or_path_is_refused() {
    let home = Home::new();
    let (path, _) = image(&home);
    let overlay = home.path("over").display().to_string();
    Server::of(&home, &["latest", "--overlay", &overlay]).end();
    let of = format!("latest:{}", path.display());
    Server::of(&home, &[&of, "--overlay", &overlay]).end();
    std::fs::write(&path, vec![1; LEN as usize]).unwrap();
    save(&home, &path);
    let ran = home.run(["nbd", "latest", "--overlay", &overlay]).exit(1);
    ran.says(&["over lies over ", "disk.img, and not over this", "hint:"]);
    Server::of(&home, &["latest~1", "--overlay", &overlay]).end();
    let file = path.display().to_string();
    let ran = home.run(["nbd", "latest", "--overlay", &file]).exit(1);
    ran.says(&["disk.img is no overlay of esker"]);
    assert_eq!(std::fs::read(path).unwrap(), vec![1; LEN as usize]);
}

#[test]
fn an_overlay_is_not_used_twice_at_once() {
    let home = Home::new();
    image(&home);
    let overlay = home.path("over").display().to_string();
    let _server = Server::of(&home, &["latest", "--overlay", &overlay]);
    let words = ["nbd", "latest", "--listen", "127.0.0.1:0", "--overlay", &overlay];
    home.run(words).exit(1).says(&["over is in use by another server"]);
}

#[test]
fn a_full_disk_says_so_and_loses_nothing_that_was_written() {
    let home = Home::new();
    let (_, mut right) = image(&home);
    let small = home.path("small");
    std::fs::create_dir(&small).unwrap();
    let mut mount = administration("mount");
    mount.args(["-t", "tmpfs", "-o", "size=2M", "tmpfs"]).arg(&small);
    if !mount.output().is_ok_and(|output| output.status.success()) {
        return skipped("needs the right to mount");
    }
    struct Mounted<'m>(&'m std::path::Path);
    impl Drop for Mounted<'_> {
        fn drop(&mut self) {
            let _ = administration("umount").arg("--lazy").arg(self.0).status();
        }
    }
    let _mounted = Mounted(&small);
    let overlay = small.join("over").display().to_string();
    let server = Server::of(&home, &["latest", "--overlay", &overlay]);
    let mut client = Client::new(&home.path("socket"));
    let (mut at, block) = (0, BLOCK as usize);
    loop {
        match client.write(at as u64, &vec![at as u8 | 1; block]) {
            Ok(()) => right[at..at + block].fill(at as u8 | 1),
            Err(error) => break assert_eq!(error.raw_os_error(), Some(28), "{error}"),
        }
        at += block;
    }
    assert!(at > 1 << 20, "{at}");
    client.flush().unwrap();
    assert!(client.read(0, LEN as u32).unwrap() == right);
    server.kill();
    let _server = Server::of(&home, &["latest", "--overlay", &overlay]);
    let mut client = Client::new(&home.path("socket"));
    assert!(client.read(0, LEN as u32).unwrap() == right);
    client.other(TRIM, 0, 0, BLOCK as u32).unwrap();
    client.write(4 << 20, &vec![5; block]).unwrap();
}
