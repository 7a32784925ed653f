//! Targets that cannot be used.

use crate::support::Home;

#[test]
fn a_target_that_is_no_directory_is_refused_and_stays_as_it_is() {
    let home = Home::new();
    home.snapshot(home.write("work/file", "new")).ok();
    let old = home.write("target/file", "old");
    let ran = home.restore("latest", &old).exit(1);
    ran.says(&["error: ", old.to_str().unwrap(), "Not a directory"]);
    assert_eq!(std::fs::read_to_string(&old).unwrap(), "old");
    assert_eq!(std::fs::read_dir(home.path("target")).unwrap().count(), 1);
    let link = home.path("link");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    home.restore("latest", &link).exit(1);
    assert!(!home.path("nowhere").exists());
}

#[test]
fn a_target_is_made_with_the_folders_above_it_or_said_why_not() {
    let home = Home::new();
    let file = home.write("work/file", "new");
    home.snapshot(&file).ok();
    let what = format!("latest:{}", file.display());
    home.restore(&what, home.path("a/b/c")).ok();
    assert_eq!(std::fs::read_to_string(home.path("a/b/c/file")).unwrap(), "new");
    home.restore("latest", file.join("x")).exit(1).says(&["error: "]);
}

/// Files that begin with allocated zeros are open before their first chunk comes.
#[test]
fn a_restore_keeps_to_the_descriptors_that_it_may_have() {
    use std::os::unix::fs::FileExt;
    let home = Home::new();
    std::fs::create_dir(home.path("work")).unwrap();
    for number in 0..1500u32 {
        let file = std::fs::File::create(home.path(format!("work/{number}"))).unwrap();
        file.write_all_at(&[0; 4096], 0).unwrap();
        file.write_all_at(&number.to_le_bytes().repeat(256), 1 << 20).unwrap();
    }
    home.snapshot(home.path("work")).ok();
    let program = home.command();
    let target = home.path("target");
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", "ulimit -n 700; exec \"$0\" restore latest \"$1\""]);
    limited.arg(program.get_program()).arg(&target).env_clear();
    limited.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    crate::support::Ran::of(&mut limited).ok();
    let restored = target.join(home.path("work").strip_prefix("/").unwrap());
    for number in 0..1500 {
        let [from, to] = [home.path("work"), restored.clone()]
            .map(|f| std::fs::read(f.join(number.to_string())));
        assert!(from.unwrap() == to.unwrap(), "file {number}");
    }
}
