//! The solver's events against what BuildKit's clients are told.

use futures_util::StreamExt;
use gantry_build::{Stream, Vertex as Work};
use gantry_dockerfile::{Options, Platform, check};

use super::*;

fn vertex(name: &str, inputs: Vec<Digest>) -> (Digest, Event) {
    let digest = Digest::of(name.as_bytes());
    let work = Work {
        digest,
        name: name.to_owned(),
        inputs,
    };
    (digest, Event::Vertex(work))
}

async fn all(journal: &Arc<Journal>) -> StatusResponse {
    journal.end();
    let mut parts: Vec<_> = journal.follow().collect().await;
    assert_eq!(parts.len(), 1, "what is there together comes together");
    parts.pop().unwrap()
}

#[tokio::test]
async fn work_is_told_as_it_goes_on() {
    let journal = Journal::new();
    let (from, told) = vertex("[1/2] FROM docker.io/library/base:1", Vec::new());
    journal.tell(told);
    let (run, told) = vertex("[2/2] RUN false", vec![from]);
    journal.tell(told);
    let at = Timestamp::from_second(1_795_291_940).unwrap();
    for (vertex, how) in [
        (from, Ending::Cached),
        (run, Ending::Failed("exit code: 1".to_owned())),
    ] {
        journal.tell(Event::Began { vertex, at });
        journal.tell(Event::Ended { vertex, at, how });
    }
    let told = all(&journal).await;
    let names: Vec<&str> = told.vertexes.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names.len(), 6);
    let last = told.vertexes.last().unwrap();
    assert_eq!(last.inputs, [from.to_string()]);
    assert_eq!(last.error, "exit code: 1");
    assert_eq!(last.started.unwrap().seconds, 1_795_291_940);
    assert!(told.vertexes[3].cached && told.vertexes[3].completed.is_some());
}

#[tokio::test]
async fn a_part_is_told_at_its_beginning_and_its_end_but_not_at_every_packet() {
    let journal = Journal::new();
    let (context, told) = vertex("[internal] load build context", Vec::new());
    journal.tell(told);
    let status = |current, completed| {
        Event::Status(Status {
            vertex: context,
            id: "transferring context:".to_owned(),
            current,
            total: 0,
            started: Timestamp::now(),
            completed,
        })
    };
    for current in 0..1000 {
        journal.tell(status(current, None));
    }
    journal.tell(status(1000, Some(Timestamp::now())));
    let told = all(&journal).await.statuses;
    assert!(told.len() < 500, "{}", told.len());
    assert_eq!(told.last().unwrap().current, 1000);
    assert!(told.last().unwrap().completed.is_some());
}

#[tokio::test]
async fn output_is_passed_on_as_it_is_up_to_a_limit() {
    let journal = Journal::new();
    let (run, told) = vertex("RUN yes", Vec::new());
    journal.tell(told);
    let write = |stream, bytes: &[u8]| {
        journal.tell(Event::Log(Log {
            vertex: run,
            stream,
            bytes: bytes.to_vec(),
            at: Timestamp::now(),
        }));
    };
    write(Stream::Stderr, b"half a li");
    for _ in 0..3 {
        write(Stream::Stdout, &vec![b'y'; 1 << 20]);
    }
    let logs = all(&journal).await.logs;
    assert_eq!(
        (logs[0].stream, logs[0].msg.as_slice()),
        (2, b"half a li".as_slice())
    );
    assert_eq!(logs.len(), 3);
    assert!(logs[2].msg.ends_with(b"log limit 2MiB reached]\n"));
}

#[tokio::test]
async fn warnings_show_the_source_as_recorded() {
    let source = Source::new("D.warn", b"from base:1 AS Foo\nENV a b\n");
    let options = Options::new(Platform::new("linux", "amd64", ""));
    let found = check(&source, &options, &|_| None).warnings.into_iter();
    let mut casing = found.filter(|lint| lint.rule.name() == "StageNameCasing");
    let lint = casing.next().unwrap();
    let journal = Journal::new();
    journal.set_source(&source);
    let name = "[internal] load build definition from D.warn";
    let (own, told) = vertex(name, Vec::new());
    journal.tell(told);
    // The solver reads what was fetched, under the same name: told once.
    let vertex = Digest::of(b"the solver's");
    journal.tell(Event::Vertex(Work {
        digest: vertex,
        name: name.to_owned(),
        inputs: Vec::new(),
    }));
    journal.tell(Event::Began {
        vertex,
        at: Timestamp::now(),
    });
    journal.tell(Event::Warning(Warning { vertex, lint }));
    let mut told = all(&journal).await;
    assert_eq!(told.vertexes.len(), 1);
    let warning = told.warnings.swap_remove(0);
    assert_eq!(warning.vertex, own.to_string());
    assert_eq!(
        String::from_utf8(warning.short).unwrap(),
        "StageNameCasing: Stage name 'Foo' should be lowercase (line 1)"
    );
    assert_eq!(warning.detail, [b"Stage names should be lowercase"]);
    assert!(warning.url.ends_with("/rule/stage-name-casing/"));
    assert_eq!(warning.info.unwrap().filename, "D.warn");
    assert_eq!(warning.ranges[0].start.unwrap().line, 1);
}

#[tokio::test]
async fn whoever_comes_late_is_told_everything() {
    let journal = Journal::new();
    journal.tell(vertex("a", Vec::new()).1);
    let mut first = std::pin::pin!(journal.follow());
    assert_eq!(first.next().await.unwrap().vertexes.len(), 1);
    let waiting = tokio::spawn({
        let journal = Arc::clone(&journal);
        async move { journal.follow().collect::<Vec<_>>().await }
    });
    journal.tell(vertex("b", Vec::new()).1);
    assert_eq!(first.next().await.unwrap().vertexes[0].name, "b");
    journal.end();
    assert!(first.next().await.is_none());
    let told: usize = waiting
        .await
        .unwrap()
        .iter()
        .map(|it| it.vertexes.len())
        .sum();
    assert_eq!(told, 2);
}

#[tokio::test]
async fn exports_of_two_builds_are_told_apart() {
    let mut digests = Vec::new();
    for _ in 0..2 {
        let journal = Journal::new();
        let (vertex, told) = vertex("exporting to image", Vec::new());
        journal.tell(told);
        let at = Timestamp::now();
        journal.tell(Event::Began { vertex, at });
        let how = Ending::Done;
        journal.tell(Event::Ended { vertex, at, how });
        let told = all(&journal).await.vertexes;
        assert_eq!(told.len(), 3);
        assert!(told.iter().all(|it| it.digest == told[0].digest));
        digests.push(told[0].digest.clone());
    }
    assert_ne!(digests[0], digests[1]);
}
