use std::fs;
use std::path::Path;

use super::*;

fn logins(dir: &Path) -> Logins {
    let config = ConfigFile::load(dir).unwrap();
    Logins::open(&config).unwrap()
}

fn login(server: &str) -> Login {
    Login {
        username: "alice".to_owned(),
        password: "s:e cret".to_owned(),
        serveraddress: server.to_owned(),
        identitytoken: String::new(),
    }
}

#[test]
fn a_login_is_kept_beside_what_else_is_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("config.json"),
        r#"{"psFormat":"x","auths":{"https://old.example/v1/":{"auth":"YTpi"}},"z":[1]}"#,
    )
    .unwrap();
    let path = logins(dir.path()).store(&login("reg:5000")).unwrap();
    assert!(path.unwrap().ends_with("config.json"));
    assert_eq!(
        logins(dir.path()).get("reg:5000").unwrap(),
        Some(login("reg:5000"))
    );
    let old = logins(dir.path()).get("old.example").unwrap().unwrap();
    assert_eq!((old.username.as_str(), old.password.as_str()), ("a", "b"));
    let text = fs::read_to_string(dir.path().join("config.json")).unwrap();
    assert!(text.starts_with("{\n\t\"psFormat\": \"x\""), "{text}");
    logins(dir.path()).erase("reg:5000").unwrap();
    assert_eq!(logins(dir.path()).get("reg:5000").unwrap(), None);
    assert!(
        fs::read_to_string(dir.path().join("config.json"))
            .unwrap()
            .contains("old.example")
    );
}

#[test]
fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("a/b");
    logins(&deep).store(&login(DOCKER_INDEX)).unwrap();
    let mode = fs::metadata(deep.join("config.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_helper_keeps_what_is_its() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let kept = dir.path().join("kept");
    let program = dir.path().join("docker-credential-test");
    let script = format!(
        "#!/bin/sh\ncase $1 in store) cat > {kept};; erase) rm -f {kept};; get) cat {kept} 2>/dev/null || \
         {{ echo 'credentials not found in native keychain'; exit 1; }};; esac\n",
        kept = kept.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let helper = Helper::of(program.display().to_string());
    assert_eq!(helper.get("reg").unwrap(), None);
    helper.store(&login("reg")).unwrap();
    assert_eq!(helper.get("reg").unwrap(), Some(login("reg")));
    let token = Login {
        identitytoken: "t".to_owned(),
        serveraddress: "reg".to_owned(),
        ..Login::default()
    };
    helper.store(&token).unwrap();
    assert_eq!(helper.get("reg").unwrap(), Some(token));
    helper.erase("reg").unwrap();
    assert_eq!(helper.get("reg").unwrap(), None);
}

#[test]
fn who_is_asked_for_which_registry() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("config.json"),
        r#"{"credsStore":"all","credHelpers":{"one.example":"own"}}"#,
    )
    .unwrap();
    let file = AuthFile::read(dir.path()).unwrap();
    assert_eq!(file.helper_of("one.example").as_deref(), Some("own"));
    assert_eq!(file.helper_of(DOCKER_INDEX).as_deref(), Some("all"));
    let image: ImageRef = "busybox".parse().unwrap();
    assert_eq!(server_of(&image), DOCKER_INDEX);
}
