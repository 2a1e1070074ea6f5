//! Builds that mean harm: a clear error or nothing, and nothing outside the build is touched.

use std::fs;
use std::path::Path;

use integration_tests::Engine;
use integration_tests::engine::Kind;
use integration_tests::http::Http;
use integration_tests::image::BUSYBOX;
use tar::EntryType;

/// A context of one entry each, and what follows it.
struct Context(tar::Builder<Vec<u8>>);

impl Context {
    fn new() -> Self {
        let mut context = Self(tar::Builder::new(Vec::new()));
        context.entry("Dockerfile", EntryType::Regular, "FROM scratch\nCOPY . /\n");
        context
    }

    /// A file with a text, or a link to it. The name is taken as it is.
    fn entry(&mut self, name: &str, kind: EntryType, text: &str) {
        let mut header = tar::Header::new_gnu();
        let is_file = kind == EntryType::Regular;
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_size(if is_file { text.len() as u64 } else { 0 });
        let place = &mut header.as_old_mut().name;
        place[..name.len()].copy_from_slice(name.as_bytes());
        if !is_file {
            let place = &mut header.as_old_mut().linkname;
            place[..text.len()].copy_from_slice(text.as_bytes());
        }
        header.set_cksum();
        let contents = if is_file { text.as_bytes() } else { b"" };
        self.0.append(&header, contents).expect("packed");
    }

    /// Sends it; what is answered.
    fn build(self, engine: &Engine) -> String {
        let tar = self.0.into_inner().expect("packed");
        let mut http = Http::connect(&engine.socket());
        let head = "Content-Type: application/x-tar\r\n";
        let answer = http.send("POST", "/build?q=1", head, &tar);
        String::from_utf8_lossy(&answer.body).into_owned()
    }
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).expect("a folder").next().is_none()
}

#[test]
fn no_context_leads_out_of_its_folder() {
    let engine = Engine::start();
    let outside = engine.dir().join("outside");
    fs::create_dir(&outside).expect("a folder");
    let target = outside.to_str().expect("text");
    let up = "../".repeat(12);
    for name in [
        format!("{up}{}", &target[1..]) + "/planted",
        format!("a/{up}{}", &target[1..]) + "/planted",
        format!("{target}/planted"),
    ] {
        if name.len() > 100 {
            continue;
        }
        let mut context = Context::new();
        context.entry(&name, EntryType::Regular, "planted");
        let told = context.build(&engine);
        assert!(is_empty(&outside), "{name}: {told}");
    }
    for link in [target.to_owned(), format!("{up}{}", &target[1..])] {
        let mut context = Context::new();
        context.entry("link", EntryType::Symlink, &link);
        context.entry("link/planted", EntryType::Regular, "planted");
        let told = context.build(&engine);
        assert!(is_empty(&outside), "{link}: {told}");
    }
    // A further name of a file of the host would show it to the build.
    let secret = engine.dir().join("secret");
    fs::write(&secret, "of the host").expect("a file");
    let secret = secret.to_str().expect("text");
    for name in [secret.to_owned(), format!("{up}{}", &secret[1..])] {
        let mut context = Context::new();
        context.entry("name", EntryType::Link, &name);
        let told = context.build(&engine);
        assert!(told.contains("rror"), "{name}: {told}");
    }
    engine.finish();
}

/// A link above the root ends at the root, as in the container itself.
#[test]
fn a_link_above_the_root_leads_to_the_root() {
    let engine = Engine::start();
    let root = engine.dir().join("context");
    fs::create_dir(&root).expect("a folder");
    let text = format!(
        "FROM {BUSYBOX}\n\
         RUN mkdir -p /real /a/b && ln -s ../../../real /link && ln -s ../../../../../real /a/b/up\n\
         COPY Dockerfile /link/file\n\
         WORKDIR /a/b/up/inner\n\
         RUN test -f /real/file && test -d /real/inner && readlink /a/b/up\n"
    );
    fs::write(root.join("Dockerfile"), text).expect("a file");
    let docker = engine.stock_docker();
    let root = root.to_str().expect("text");
    let built = docker.run(&["buildx", "build", "--progress=plain", "-t", "linked", root]);
    let target = "../../../../../real";
    assert!(built.code == 0 && built.err.contains(target), "{built:?}");
    // The image goes out and comes in as it is.
    let archive = engine.dir().join("linked.tar");
    let archive = archive.to_str().expect("text");
    docker.run(&["save", "-o", archive, "linked"]).ok();
    docker.run(&["rmi", "-f", "linked"]).ok();
    docker.run(&["builder", "prune", "-af"]).ok();
    docker.run(&["load", "-i", archive]).ok();
    let look = ["run", "--rm", "linked", "readlink", "/a/b/up"];
    assert_eq!(docker.run(&look).ok(), target);
    engine.finish();
}

/// Nothing that is not done is passed over.
#[test]
fn what_a_build_does_not_do_is_refused_by_name() {
    let engine = Engine::start();
    if engine.kind() == Kind::Stock {
        // Its classic builder passes over what it does not know.
        return engine.finish();
    }
    for (query, said) in [
        ("platform=linux/amd64,linux/arm64", "several platforms"),
        (
            "cacheto=type%3Dlocal%2Cdest%3D/x",
            "exporting a build's cache",
        ),
    ] {
        let mut http = Http::connect(&engine.socket());
        let head = "Content-Type: application/x-tar\r\n";
        let answer = http.send("POST", &format!("/build?{query}"), head, b"");
        let told = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(
            answer.status == 501 && told.contains(said),
            "{query}: {answer:?}"
        );
    }
    let docker = engine.stock_docker();
    let history = docker.run(&["buildx", "history", "ls"]);
    let said = "no history of builds is kept";
    assert!(
        history.code != 0 && history.err.contains(said),
        "{history:?}"
    );
    engine.finish();
}
