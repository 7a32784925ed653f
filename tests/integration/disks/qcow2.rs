//! Images of the kind qcow2, as their virtual machine sees them. QEMU's own tools say what is right.

use super::{noise, save, sparse};
use crate::support::loops::{Part, assert_equal, bytes, disk, does};
use crate::support::{Home, Ran, needs};
use serde_json::Value;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Bytes of the disks here, where nothing else is said.
const LEN: u64 = 64 << 20;

fn qemu_is_here() -> bool {
    ["qemu-img", "qemu-nbd", "qemu-io"].iter().all(|program| needs(program))
}

fn qemu_img<const N: usize>(arguments: [&str; N], files: &[&Path]) {
    does(Command::new("qemu-img").args(arguments).args(files));
}

/// A qcow2 of a raw image with these bytes.
fn qcow2(home: &Home, name: &str, len: u64, bytes: &[(u64, &[u8])]) -> PathBuf {
    let raw = sparse(home, "source.raw", len, bytes);
    let image = home.path(name);
    qemu_img(["convert", "-O", "qcow2"], &[&raw, &image]);
    std::fs::remove_file(raw).unwrap();
    image
}

/// An image over another one, into which a machine wrote.
fn over(base: &Path, name: &str, writes: &[&str]) -> PathBuf {
    let image = base.with_file_name(name);
    let base = base.file_name().unwrap().to_str().unwrap();
    qemu_img(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base], &[&image]);
    for write in writes {
        does(Command::new("qemu-io").args(["-c", write]).arg(&image));
    }
    image
}

/// A base image with some bytes, and one over it.
fn chain(home: &Home) -> PathBuf {
    let base = qcow2(home, "base.qcow2", LEN, &[(1 << 20, &noise(3 << 20, 1)), (40 << 20, b"old")]);
    over(&base, "disk.qcow2", &["write -P 7 2M 64k", "write -z 3M 128k"])
}

/// What its machine sees of an image, as QEMU says.
fn seen(image: &Path) -> PathBuf {
    let raw = image.with_extension("raw");
    qemu_img(["convert", "-O", "raw"], &[image, &raw]);
    raw
}

/// Where an image of the last snapshot is restored to.
fn restored(home: &Home, image: &Path) -> PathBuf {
    let _ = std::fs::remove_dir_all(home.path("out"));
    home.restore("latest", home.path("out")).ok();
    home.path("out").join(image.canonicalize().unwrap().strip_prefix("/").unwrap())
}

/// What `ls --json` says of the image of the last snapshot.
fn listed(home: &Home) -> Value {
    home.run(["ls", "--json", "latest"]).ok().json().pop().unwrap()["image"].clone()
}

/// A command of the program that finds `script` as its `qemu-nbd`, in which `$REAL` is the real one.
fn with_server(home: &Home, script: &str) -> Command {
    let real = does(Command::new("sh").args(["-c", "command -v qemu-nbd"]));
    let path = home.write("bin/qemu-nbd", format!("#!/bin/sh\nREAL={real}\n{script}\n"));
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = home.command();
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", home.path("bin").display()));
    command
}

/// Runs a snapshot, which must fail, say these words and leave nothing behind.
#[track_caller]
fn saves_nothing(home: &Home, command: &mut Command, image: &Path, words: &[&str]) {
    if !home.repository().exists() {
        home.run(["init"]).ok();
    }
    Ran::of(command.args(["snapshot", "--image"]).arg(image)).exit(1).says(words);
    nothing_is_committed(home);
}

#[track_caller]
fn nothing_is_committed(home: &Home) {
    let snapshots = home.run(["snapshots", "--json"]).ok();
    assert_eq!(snapshots.out.trim(), "", "something was committed");
}

/// A server that holds an image as a virtual machine does; ended at the end.
struct Machine(Child);

impl Machine {
    fn of(home: &Home, image: &Path) -> Self {
        let socket = home.path("machine");
        let mut command = Command::new("qemu-nbd");
        command.args(["--persistent", "--format=qcow2", "--socket"]).arg(&socket).arg(image);
        let machine = Self(command.stdin(Stdio::null()).spawn().unwrap());
        while !socket.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        machine
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_qcow2_over_other_files_comes_back_as_its_machine_sees_it() {
    let home = Home::new();
    let raw = home.path("raw.img");
    let Some(_) = disk(&raw).filter(|_| qemu_is_here()) else { return };
    let base = home.path("base.qcow2");
    qemu_img(["convert", "-c", "-O", "qcow2"], &[&raw, &base]);
    let middle = over(&base, "middle.qcow2", &["write -P 7 2M 300k", "write -z 4M 128k"]);
    let top = over(&middle, "a, b.qcow2", &["write -P 8 2100k 64k"]);
    save(&home, &[&top], &[]).ok();
    let (right, copy) = (seen(&top), restored(&home, &top));
    let len = std::fs::metadata(&right).unwrap().len();
    assert_eq!(std::fs::metadata(&copy).unwrap().len(), len);
    assert_equal(&right, &copy, len);
    let image = listed(&home);
    assert_eq!((&image["table"], &image["size"]), (&"gpt".into(), &len.into()));
    assert_eq!(image["partitions"][1]["file_system"]["kind"], "xfs");
    let layers: Vec<_> = image["layers"].as_array().unwrap().iter().collect();
    assert_eq!(layers.len(), 3);
    for (layer, file) in layers.iter().zip([&top, &middle, &base]) {
        let path = file.to_str().unwrap();
        assert_eq!((&layer["format"], &layer["path"]), (&"qcow2".into(), &path.into()));
    }
    let listed = home.run(["ls", "latest"]).ok();
    for words in ["GPT", "was in ", "middle.qcow2 (qcow2)"] {
        assert!(listed.out.contains(words), "{words} is not in: {}", listed.out);
    }
    home.run(["check", "--read-data"]).ok();
}

#[test]
fn the_file_below_may_be_raw_and_smaller() {
    let home = Home::new();
    if !qemu_is_here() {
        return;
    }
    sparse(&home, "base.img", 5 << 20, &[(0, &noise(100_000, 2)), (5 << 20, b"tail")]);
    let image = home.path("disk.qcow2");
    qemu_img(["create", "-q", "-f", "qcow2", "-F", "raw", "-b", "base.img"], &[&image]);
    qemu_img(["resize", "-q"], &[&image, Path::new("+9M")]);
    save(&home, &[&image], &[]).ok();
    assert_equal(&seen(&image), &restored(&home, &image), (14 << 20) + 512);
    assert_eq!(listed(&home)["layers"][1]["format"], "raw");
}

#[test]
fn a_qcow2_is_cloned_as_its_machine_sees_it() {
    let home = Home::new();
    if !qemu_is_here() {
        return;
    }
    let (image, copy) = (chain(&home), home.path("copy.img"));
    let clone = |words: &[&str]| {
        Ran::of(home.command().args(["clone", "--json"]).args(words).arg(&image).arg(&copy))
    };
    let ran = clone(&["--verify"]).ok();
    assert_eq!(ran.json()[0]["image"]["layers"][1]["format"], "qcow2");
    assert_equal(&seen(&image), &copy, LEN);
    let base = home.path("base.qcow2");
    // What it lies on is in use as long as it is read.
    let ran = Ran::of(home.command().args(["clone", "--yes"]).arg(&image).arg(&base));
    ran.exit(1).says(&["base.qcow2 is in use: a virtual machine reads it"]);
    qemu_img(["check", "-q"], &[&base]);
}

#[test]
fn what_is_not_allocated_in_a_qcow2_is_not_read() {
    let home = Home::new();
    if !qemu_is_here() || !needs("strace") {
        return;
    }
    let (data, len) = (noise(3 << 20, 3), 300 << 30);
    let image = qcow2(&home, "disk.qcow2", len, &[(0, &data), (200 << 30, &data)]);
    let esker = home.command();
    let mut command = Command::new("strace");
    let calls = "trace=read,pread64,preadv,preadv2,recvfrom,recvmsg";
    std::fs::create_dir(home.path("calls")).unwrap();
    command.args(["-ff", "-y", "-e", calls, "-o"]).arg(home.path("calls/of"));
    command.arg(esker.get_program()).args(["snapshot", "--json", "--image"]).arg(&image);
    for (name, value) in esker.get_envs() {
        let _ = value.map(|value| command.env(name, value));
    }
    let ran = Ran::of(&mut command).ok();
    assert_eq!(ran.json()[0]["counts"]["bytes"], len);
    let read = |what: &str| {
        let files = std::fs::read_dir(home.path("calls")).unwrap();
        let all = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
        let text = all.collect::<String>();
        let of = text.lines().filter(|line| line.contains(what));
        of.filter_map(|line| line.rsplit_once("= ")?.1.parse::<u64>().ok()).sum::<u64>()
    };
    let (of_file, of_socket) = (read("disk.qcow2>"), read("<socket:") + read("<UNIX"));
    let most = (6 << 20) + (2 << 20);
    assert!((6 << 20..most).contains(&of_file), "{of_file} bytes of the file");
    assert!((6 << 20..most).contains(&of_socket), "{of_socket} bytes of the server");
}

#[test]
fn a_qcow2_that_a_machine_writes_to_is_refused_unless_that_is_allowed() {
    let home = Home::new();
    if !qemu_is_here() {
        return;
    }
    let (image, base) = (chain(&home), home.path("base.qcow2"));
    {
        let _machine = Machine::of(&home, &image);
        let words = ["disk.qcow2 is in use: a virtual machine writes to it", "--allow-live"];
        saves_nothing(&home, &mut home.command(), &image, &words);
        save(&home, &[&image], &["--allow-live"]).ok().says(&["may change while it is read"]);
    }
    assert_equal(&seen(&image), &restored(&home, &image), LEN);
    assert_eq!(listed(&home)["live"][0], "a virtual machine writes to it");
    std::fs::remove_file(home.path("machine")).unwrap();
    let _machine = Machine::of(&home, &base);
    let ran = save(&home, &[&image], &[]).exit(1);
    ran.says(&["base.qcow2 is in use: a virtual machine writes to it"]);
    save(&home, &[&image], &["--allow-live"]).ok();
}

#[test]
fn without_a_folder_for_the_socket_nothing_is_saved() {
    let home = Home::new();
    if !qemu_is_here() {
        return;
    }
    let image = chain(&home);
    let mut command = home.command();
    command.env("TMPDIR", "/nowhere");
    saves_nothing(&home, &mut command, &image, &["qemu-nbd cannot be asked", "/nowhere"]);
}

#[test]
fn a_lock_that_only_qemu_sees_counts_too() {
    let home = Home::new();
    if !qemu_is_here() {
        return;
    }
    let image = chain(&home);
    let script = "case \"$*\" in *force-share=on*) exec $REAL \"$@\";; esac\n\
                  echo 'qemu-nbd: Failed to get shared \"write\" lock' >&2; exit 1";
    let words = ["is in use: a virtual machine writes to it", "--allow-live"];
    saves_nothing(&home, &mut with_server(&home, script), &image, &words);
    let mut command = with_server(&home, script);
    Ran::of(command.args(["snapshot", "--allow-live", "--image"]).arg(&image)).ok();
    assert_equal(&seen(&image), &restored(&home, &image), LEN);
}

#[test]
fn a_server_that_dies_in_the_middle_leaves_nothing_behind() {
    let home = Home::new();
    if !qemu_is_here() || !needs("strace") {
        return;
    }
    let image = qcow2(&home, "disk.qcow2", LEN, &[(0, &noise(48 << 20, 4))]);
    // Killed when it is about to answer for the 25th time.
    let script = "exec strace -qq -o /dev/null -e trace=sendmsg \
                  -e inject=sendmsg:signal=KILL:when=25 $REAL \"$@\"";
    let words = ["disk.qcow2", "cannot be read any more", "qemu-nbd gives no more answers"];
    saves_nothing(&home, &mut with_server(&home, script), &image, &words);
    save(&home, &[&image], &[]).ok();
    assert_equal(&seen(&image), &restored(&home, &image), LEN);
}

#[test]
fn a_sector_that_cannot_be_read_is_lost_alone() {
    let home = Home::new();
    if !qemu_is_here() {
        return;
    }
    let data = noise(3 << 20, 5);
    let image = qcow2(&home, "disk.qcow2", LEN, &[(0, &data)]);
    let map = does(Command::new("qemu-img").args(["map", "--output=json"]).arg(&image));
    let map: Value = serde_json::from_str(&map).unwrap();
    let sector = (map[0]["offset"].as_u64().unwrap() + (1 << 20) + 4096) / 512;
    let options = "driver=qcow2,file.driver=blkdebug,file.image.driver=file";
    let error = "file.inject-error.0.event=read_aio,file.inject-error.0.sector";
    let script = format!(
        "exec $REAL $1 $2 $3 --image-opts {options},file.image.filename=$5,{error}={sector}"
    );
    let mut command = with_server(&home, &script);
    let ran = Ran::of(command.args(["snapshot", "--image"]).arg(&image)).exit(3);
    ran.says(&["4096 bytes could not be read: 4096 from 1052672 on"]);
    home.run(["restore", "latest", home.path("out").to_str().unwrap()]);
    let out = home.path("out").join(image.canonicalize().unwrap().strip_prefix("/").unwrap());
    let mut right = data;
    right[(1 << 20) + 4096..(1 << 20) + 8192].fill(0);
    assert!(bytes(&out, Part { start: 0, len: 3 << 20 }) == right);
}

#[test]
fn a_qcow2_that_is_not_whole_is_refused() {
    let home = Home::new();
    if !qemu_is_here() {
        return;
    }
    let refused = |image: &Path, words: &[&str]| {
        saves_nothing(&home, &mut home.command(), image, words);
    };
    let mut header = b"QFI\xfb".to_vec();
    header.resize(4096, 0);
    let header = home.write("header.qcow2", header);
    refused(&header, &["header.qcow2 cannot be read as a qcow2 image", "--raw"]);
    // Reading one that was cut off gives zeros without an error.
    let image = qcow2(&home, "cut.qcow2", LEN, &[(0, &noise(3 << 20, 6))]);
    let file = std::fs::OpenOptions::new().write(true).open(&image).unwrap();
    file.set_len(2 << 20).unwrap();
    refused(&image, &["cut.qcow2 cannot be read as a qcow2 image", "`qemu-img check` finds"]);
    // The bit of the header that says so.
    let image = qcow2(&home, "marked.qcow2", LEN, &[(0, b"x")]);
    let file = std::fs::OpenOptions::new().write(true).open(&image).unwrap();
    file.write_all_at(&[2], 79).unwrap();
    refused(&image, &["it is marked as corrupt"]);
    let image = chain(&home);
    std::fs::remove_file(home.path("base.qcow2")).unwrap();
    refused(&image, &["disk.qcow2 lies on", "base.qcow2, which cannot be read: No such file"]);
}

#[test]
fn an_image_that_breaks_while_it_is_in_use_is_refused() {
    let home = Home::new();
    if !qemu_is_here() {
        return;
    }
    let image = chain(&home);
    home.run(["init"]).ok();
    let _machine = Machine::of(&home, &image);
    let file = std::fs::File::options().read(true).write(true).open(&image).unwrap();
    let number = |at| {
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, at).unwrap();
        u64::from_be_bytes(bytes)
    };
    // The first table of places, which the first entry of a table of tables names; in it, that of 2 MiB.
    let table = number(number(40)) & 0x00ff_ffff_ffff_fe00;
    file.write_all_at(&0x8000_0000_0001_2200_u64.to_be_bytes(), table + 32 * 8).unwrap();
    let ran = save(&home, &[&image], &["--allow-live"]).exit(1);
    ran.says(&["disk.qcow2", "corrupt"]);
    nothing_is_committed(&home);
}

#[test]
fn data_in_a_file_of_its_own_is_found() {
    let home = Home::new();
    if !qemu_is_here() {
        return;
    }
    let (image, data) = (home.path("disk.qcow2"), home.path("data.img"));
    let option = format!("data_file={}", data.display());
    qemu_img(["create", "-q", "-f", "qcow2", "-o", &option], &[&image, Path::new("64M")]);
    does(Command::new("qemu-io").args(["-c", "write -P 9 1M 1M"]).arg(&image));
    save(&home, &[&image], &[]).ok();
    assert_equal(&seen(&image), &restored(&home, &image), LEN);
    assert_eq!(listed(&home)["layers"][1]["path"], data.to_str().unwrap());
    std::fs::remove_file(&data).unwrap();
    save(&home, &[&image], &[]).exit(1).says(&["disk.qcow2", "data.img"]);
}

#[test]
fn an_encrypted_image_is_refused_and_can_be_saved_byte_by_byte() {
    let home = Home::new();
    if !qemu_is_here() {
        return;
    }
    let image = home.path("disk.qcow2");
    let object = ["create", "-q", "-f", "qcow2", "--object", "secret,id=s,data=abc"];
    let mut command = Command::new("qemu-img");
    command.args(object).args(["-o", "encrypt.format=luks,encrypt.key-secret=s"]);
    does(command.arg(&image).arg("4M"));
    saves_nothing(&home, &mut home.command(), &image, &["encrypt.key-secret", "--raw"]);
    save(&home, &[&image], &["--raw"]).ok();
}

#[test]
fn nothing_is_fetched_from_other_machines() {
    let home = Home::new();
    if !qemu_is_here() {
        return;
    }
    let image = home.path("disk.qcow2");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("nbd://{}/", listener.local_addr().unwrap());
    let create = ["create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", &address];
    qemu_img(create, &[&image, Path::new("64M")]);
    let words = ["disk.qcow2 lies on nbd://", "that is no file of this machine"];
    saves_nothing(&home, &mut home.command(), &image, &words);
    assert!(listener.accept().is_err(), "somebody has called");
}

#[test]
fn an_image_that_lies_on_itself_is_refused() {
    let home = Home::new();
    if !qemu_is_here() {
        return;
    }
    let base = qcow2(&home, "base.qcow2", LEN, &[(0, b"x")]);
    let image = over(&base, "disk.qcow2", &[]);
    qemu_img(["rebase", "-u", "-F", "qcow2", "-b", "disk.qcow2"], &[&base]);
    saves_nothing(&home, &mut home.command(), &image, &["it lies on itself"]);
}

#[test]
fn with_raw_an_image_is_saved_byte_by_byte() {
    let home = Home::new();
    if !qemu_is_here() {
        return;
    }
    let image = chain(&home);
    save(&home, &[&image], &[]).ok();
    save(&home, &[&image], &["--raw"]).ok();
    let len = std::fs::metadata(&image).unwrap().len();
    assert_eq!(listed(&home)["size"], len);
    assert_equal(&image, &restored(&home, &image), len);
    // The same file, but not the same image.
    save(&home, &[&image], &[]).ok();
    assert_eq!(listed(&home)["size"], LEN);
    assert_equal(&seen(&image), &restored(&home, &image), LEN);
}

#[test]
fn without_the_programs_of_qemu_it_says_where_they_are() {
    let home = Home::new();
    if !qemu_is_here() {
        return;
    }
    let image = chain(&home);
    let with_path = |path: &Path| {
        let mut command = home.command();
        command.env("PATH", path);
        command
    };
    std::fs::create_dir(home.path("bin")).unwrap();
    let mut command = with_path(&home.path("bin"));
    saves_nothing(&home, &mut command, &image, &["qemu-img cannot be run", "qemu-utils"]);
    let real = does(Command::new("sh").args(["-c", "command -v qemu-img"]));
    std::os::unix::fs::symlink(real.trim(), home.path("bin/qemu-img")).unwrap();
    let mut command = with_path(&home.path("bin"));
    saves_nothing(&home, &mut command, &image, &["qemu-nbd cannot be run", "qemu-utils"]);
}

#[test]
fn a_run_that_is_killed_leaves_no_server_and_no_folder_behind() {
    let home = Home::new();
    if !qemu_is_here() {
        return;
    }
    let image = qcow2(&home, "disk.qcow2", 160 << 20, &[(0, &noise(128 << 20, 8))]);
    home.run(["init"]).ok();
    let script = format!(
        "env >{0}/environment; readlink /proc/$$/fd/0 >{0}/stdin; echo $$ >{0}/pid; exec $REAL \"$@\"",
        home.path("").display()
    );
    let mut command = with_server(&home, &script);
    std::fs::create_dir(home.path("tmp")).unwrap();
    command.env("TMPDIR", home.path("tmp")).env("ESKER_PASSWORD", "secret");
    command.args(["snapshot", "--image"]).arg(&image);
    let mut running = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let pid = || std::fs::read_to_string(home.path("pid")).ok()?.trim().parse::<i32>().ok();
    let is_empty = || std::fs::read_dir(home.path("tmp")).unwrap().next().is_none();
    let mut until = |done: &dyn Fn() -> bool| {
        while !done() && running.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    // The folder is gone once the connection stands.
    until(&|| pid().is_some());
    until(&is_empty);
    assert!(running.try_wait().unwrap().is_none(), "it was through already");
    running.kill().unwrap();
    running.wait().unwrap();
    let server = Path::new("/proc").join(pid().unwrap().to_string());
    while server.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(is_empty());
    let environment = std::fs::read_to_string(home.path("environment")).unwrap();
    assert!(environment.contains("HOME=") && !environment.contains("ESKER_"), "{environment}");
    assert_eq!(std::fs::read_to_string(home.path("stdin")).unwrap().trim(), "/dev/null");
}
