//! The corpus: Dockerfiles for each instruction, flag and corner, built through all three doors.
//!
//! Each door has an engine of its own, so that none finds what another one has made: with
//! `SOURCE_DATE_EPOCH` set, three clean builds give the same image id. What is in the images is
//! compared with what dockerd 28.5 made by BuildKit (`corpus/stock.expected`, recorded by this test
//! with `GANTRY_ORACLE=1` and `GANTRY_RECORD=file`); `corpus/differences.expected` has our own
//! answers, each with its reason.

mod case;
mod doors;
mod image;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::thread;

use integration_tests::Engine;
use integration_tests::engine::Kind;
use integration_tests::image::BUSYBOX;

use case::Case;

#[test]
fn three_doors_make_one_image_and_it_is_stock_s() {
    let folders = tempfile::tempdir().expect("a folder");
    let cases = case::all(folders.path());
    assert!(cases.len() >= 200, "{}", cases.len());
    if Kind::under_test() == Kind::Stock {
        return stock(&cases);
    }
    let engines = [Engine::start(), Engine::start(), Engine::start()];
    share_base(&engines, folders.path());
    let [classic, buildx, gantry] = &engines;
    let wrong: String = thread::scope(|scope| {
        let doors = [
            scope.spawn(|| doors::classic(classic, &cases)),
            scope.spawn(|| doors::buildx(buildx, &cases, 4)),
            scope.spawn(|| doors::gantry(gantry, &cases)),
        ];
        let told = doors.into_iter().map(|door| door.join().expect("a door"));
        told.collect()
    });
    assert!(wrong.is_empty(), "{wrong}");
    let mut wrong = String::new();
    let all = engines.each_ref().map(|engine| ids(engine, &cases));
    for (number, case) in cases.iter().enumerate() {
        let [classic, buildx, gantry] = all.each_ref().map(|ids| ids[number].as_str());
        if classic != buildx || classic != gantry {
            let _ = writeln!(wrong, "{}: {classic} {buildx} {gantry}", case.name);
        }
    }
    assert!(wrong.is_empty(), "doors differ:\n{wrong}");
    compare(&contents(gantry, &cases), &cases);
    for engine in engines {
        engine.finish();
    }
}

/// Builds by stock BuildKit, and compares or records what it makes.
fn stock(cases: &[Case]) {
    let engine = Engine::start();
    // A flag that stock does not have yet must not keep the others from being built.
    let told = doors::buildx(&engine, cases, 1);
    let built: Vec<&Case> = cases
        .iter()
        .filter(|case| engine.docker().run(&["image", "inspect", &case.tag()]).code == 0)
        .collect();
    let texts = contents_of(&engine, &built);
    let mut all = String::new();
    for case in &built {
        let _ = write!(all, "### {}\n{}", case.name, texts[&case.tag()]);
    }
    match std::env::var_os("GANTRY_RECORD") {
        Some(file) => std::fs::write(file, all).expect("a record"),
        None => assert!(
            all == include_str!("corpus/stock.expected"),
            "{all}\n{told}"
        ),
    }
    engine.finish();
}

/// Gives all engines the base image of the first: an imported image knows when it was made.
fn share_base(engines: &[Engine], folder: &Path) {
    let file = folder.join("base.tar");
    let file = file.to_str().expect("a name");
    engines[0].docker().run(&["save", "-o", file, BUSYBOX]).ok();
    for engine in &engines[1..] {
        engine.docker().run(&["load", "-i", file]).ok();
    }
}

/// The ids of all images.
fn ids(engine: &Engine, cases: &[Case]) -> Vec<String> {
    let tags: Vec<String> = cases.iter().map(Case::tag).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let line = [&["image", "inspect", "-f", "{{.Id}}"], tags.as_slice()].concat();
    let answer = engine.docker().run(&line).ok();
    answer.lines().map(str::to_owned).collect()
}

fn contents(engine: &Engine, cases: &[Case]) -> BTreeMap<String, String> {
    contents_of(engine, &cases.iter().collect::<Vec<_>>())
}

/// What is in the images, by their names.
fn contents_of(engine: &Engine, cases: &[&Case]) -> BTreeMap<String, String> {
    let tags: Vec<String> = cases.iter().map(|case| case.tag()).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let archive = engine.dir().join("all.tar");
    let file = archive.to_str().expect("a name");
    let line = [&["save", "-o", file, BUSYBOX], tags.as_slice()].concat();
    engine.docker().run(&line).ok();
    image::texts(&archive, BUSYBOX)
}

/// Compares with what stock made, but for what differs on purpose.
fn compare(ours: &BTreeMap<String, String>, cases: &[Case]) {
    let read = |text| -> BTreeMap<String, String> { case::sections(text).into_iter().collect() };
    let stock = read(include_str!("corpus/stock.expected"));
    let differences = read(include_str!("corpus/differences.expected"));
    let mut wrong = String::new();
    for case in cases {
        let reasons = |text: &String| -> String {
            let lines = text.lines().filter(|line| !line.starts_with("# "));
            lines.map(|line| format!("{line}\n")).collect()
        };
        let own = differences.get(&case.name).map(reasons);
        let expected = own.or_else(|| stock.get(&case.name).cloned());
        let ours = &ours[&case.tag()];
        if expected.as_ref() != Some(ours) {
            let expected = expected.unwrap_or_default();
            let _ = write!(
                wrong,
                "### {}\n--- stock\n{expected}--- ours\n{ours}\n",
                case.name
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
