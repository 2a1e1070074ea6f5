//! Builds as libraries for tests ask for them, by requests in the form that their code sends (written here, not recorded).

use std::io::Write;
use std::process::{Command, Stdio};

use integration_tests::Engine;
use integration_tests::http::{Http, Response};
use integration_tests::image::BUSYBOX;

/// A tar with a Dockerfile, compressed, as docker-java would send it.
fn packed(dockerfile: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, text) in [("Dockerfile", dockerfile), ("folder/file", "inside\n")] {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o100_644);
        header.set_size(text.len() as u64);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        tar.append_data(&mut header, name, text.as_bytes())
            .expect("packed");
    }
    let tar = tar.into_inner().expect("packed");
    let mut gzip = Command::new("gzip")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip starts");
    let mut input = gzip.stdin.take().expect("a pipe");
    // Small enough for the pipe: gzip need not be read from meanwhile.
    input.write_all(&tar).expect("gzip reads");
    drop(input);
    gzip.wait_with_output().expect("gzip ends").stdout
}

/// The objects of an answer.
fn told(answer: &Response) -> Vec<serde_json::Value> {
    let text = String::from_utf8_lossy(&answer.body);
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// `ImageFromDockerfile` of testcontainers-java, by docker-java.
#[test]
fn testcontainers_for_java_builds() {
    let engine = Engine::start();
    let labels =
        "%7B%22org.testcontainers%22%3A%22true%22%2C%22org.testcontainers.lang%22%3A%22java%22%7D";
    let query = format!(
        "/v1.44/build?dockerfile=Dockerfile&t=localhost%2Ftestcontainers%2Fabc%3Alatest&q=false&nocache=false\
         &pull=false&rm=true&forcerm=false&buildargs=%7B%22WHO%22%3A%22java%22%7D&labels={labels}"
    );
    let head = "Accept: text/plain\r\nContent-Type: application/tar\r\nX-Registry-Config: e30=\r\n";
    let text = format!("FROM {BUSYBOX}\nARG WHO\nRUN echo $WHO > /who\nCOPY folder /folder\n");
    let mut http = Http::connect(&engine.socket());
    let answer = http.send("POST", &query, head, &packed(&text));
    assert_eq!(answer.status, 200, "{answer:?}");
    let told = told(&answer);
    // What docker-java's `BuildImageResultCallback` looks for: the last such line, else an error.
    let stream = |value: &serde_json::Value| value["stream"].as_str().map(str::to_owned);
    let built = told.iter().filter_map(stream);
    let mut built =
        built.filter_map(|line| line.strip_prefix("Successfully built ").map(str::to_owned));
    let id = built.next_back().expect("an identity").trim().to_owned();
    assert!(
        told.iter().all(|value| value["error"].is_null()),
        "{told:?}"
    );
    let image = http
        .call("GET", &format!("/v1.44/images/{id}/json"), "")
        .json();
    assert_eq!(image["RepoTags"][0], "localhost/testcontainers/abc:latest");
    assert_eq!(image["Config"]["Labels"]["org.testcontainers.lang"], "java");
    let run = [
        "run",
        "--rm",
        "localhost/testcontainers/abc",
        "cat",
        "/who",
        "/folder/file",
    ];
    assert_eq!(engine.docker().run(&run).ok(), "java\ninside");

    let broken = packed(&format!("FROM {BUSYBOX}\nRUN exit 3\n"));
    let answer = http.send("POST", &query, head, &broken);
    let failed = self::told(&answer);
    let last = failed.last().expect("an end");
    assert_eq!(last["errorDetail"]["code"], 3, "{last}");
    let said = "The command '/bin/sh -c exit 3' returned a non-zero code: 3";
    assert_eq!(last["error"], said);
    engine.finish();
}

/// Two services of compose: a folder with arguments and a stage, and a Dockerfile in the project itself.
#[test]
fn compose_builds_its_services() {
    let engine = Engine::start();
    let root = engine.dir().join("project");
    std::fs::create_dir_all(root.join("folder")).expect("a folder");
    let text =
        format!("FROM {BUSYBOX} AS early\nARG WHO\nRUN echo $WHO > /who\nFROM early\nRUN exit 1\n");
    std::fs::write(root.join("folder/Dockerfile"), text).expect("a file");
    std::fs::create_dir(root.join("other")).expect("a folder");
    std::fs::write(root.join("other/file"), "other").expect("a file");
    let project = format!(
        "name: {}\n\
         services:\n  \
           one:\n    \
             image: composed-one\n    \
             build:\n      \
               context: folder\n      \
               target: early\n      \
               args: {{WHO: compose}}\n      \
               labels: {{made.by: compose}}\n  \
           two:\n    \
             image: composed-two\n    \
             build:\n      \
               context: other\n      \
               dockerfile_inline: |\n        \
                 FROM {BUSYBOX}\n        \
                 COPY file /copied\n",
        root.file_name().expect("a name").to_string_lossy(),
    );
    let file = root.join("compose.yaml");
    std::fs::write(&file, project).expect("a file");
    let docker = engine.stock_docker();
    let file = file.to_str().expect("text");
    let built = docker.run(&["compose", "-f", file, "build"]);
    assert_eq!(built.code, 0, "{built:?}");
    let run = |words: &[&str]| docker.run(&[&["run", "--rm"], words].concat()).ok();
    assert_eq!(run(&["composed-one", "cat", "/who"]), "compose");
    assert_eq!(run(&["composed-two", "cat", "/copied"]), "other");
    let labels = [
        "image",
        "inspect",
        "-f",
        "{{index .Config.Labels \"made.by\"}}",
        "composed-one",
    ];
    assert_eq!(docker.run(&labels).ok(), "compose");
    engine.finish();
}

/// Builds that share a folder share the session that has it, which buildx opens within a call.
#[test]
fn services_that_share_a_folder_are_built_at_once() {
    let engine = Engine::start();
    let root = engine.dir().join("shared");
    std::fs::create_dir_all(root.join("sub")).expect("a folder");
    let text = format!(
        "FROM {BUSYBOX} AS one\nCOPY . /in\nFROM {BUSYBOX} AS two\nCOPY sub /in\n\
         RUN --mount=target=/all cat /all/file > /seen\n"
    );
    for (name, text) in [
        ("Dockerfile", text.as_str()),
        ("file", "shared"),
        ("ignored", "x"),
        (".dockerignore", "ignored\n"),
        ("sub/inner", "inner"),
    ] {
        std::fs::write(root.join(name), text).expect("a file");
    }
    let service = |name: &str| {
        format!("  {name}:\n    image: shared-{name}\n    build: {{context: ., target: {name}}}\n")
    };
    let project = format!(
        "name: shared\nservices:\n{}{}",
        service("one"),
        service("two")
    );
    let targets = ["one", "two"].map(|name| {
        format!(
            "target \"{name}\" {{\n  context = \"{}\"\n  target = \"{name}\"\n  tags = [\"baked-{name}\"]\n}}\n",
            root.display()
        )
    });
    let (compose, bake) = (root.join("compose.yaml"), engine.dir().join("bake.hcl"));
    std::fs::write(&compose, project).expect("a file");
    std::fs::write(&bake, targets.concat()).expect("a file");
    let docker = engine.stock_docker();
    let path = |path: &std::path::Path| path.to_str().expect("text").to_owned();
    docker
        .run(&["compose", "-f", &path(&compose), "build"])
        .ok();
    let allowed = format!("--allow=fs.read={}", root.display());
    let words = ["buildx", "bake", &allowed, "-f", &path(&bake), "one", "two"];
    docker.run(&words).ok();
    for maker in ["shared", "baked"] {
        let run = |name: &str, words: &[&str]| {
            let image = format!("{maker}-{name}");
            docker.run(&[&["run", "--rm", &image], words].concat())
        };
        assert_eq!(
            run("one", &["cat", "/in/file", "/in/sub/inner"]).ok(),
            "sharedinner"
        );
        assert_ne!(run("one", &["test", "-e", "/in/ignored"]).code, 0);
        assert_eq!(
            run("two", &["cat", "/in/inner", "/seen"]).ok(),
            "innershared"
        );
    }
    engine.finish();
}
