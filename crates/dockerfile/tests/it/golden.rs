//! Plans of Dockerfiles as people write them, against `golden/*.plan`.
//!
//! `GANTRY_BLESS=1` writes the plans anew; read the change before it is committed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use gantry_dockerfile::{
    Action, Dockerfile, Graph, Options, Plan, Platform, RunStep, Source, StagePlan, TransferStep,
};

#[test]
fn plans_are_as_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "dockerfile"))
        .collect();
    files.sort();
    assert!(files.len() >= 8, "the corpus is missing");
    let mut wrong = String::new();
    for file in files {
        let planned = planned(&std::fs::read(&file).unwrap());
        let record = file.with_extension("plan");
        if std::env::var_os("GANTRY_BLESS").is_some() {
            std::fs::write(&record, &planned).unwrap();
        }
        let expected = std::fs::read_to_string(&record).unwrap_or_default();
        if expected != planned {
            let _ = write!(
                wrong,
                "{}\n--- recorded\n{expected}--- now\n{planned}",
                file.display()
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn planned(bytes: &[u8]) -> String {
    let source = Source::new("Dockerfile", bytes);
    let file = match Dockerfile::parse(&source) {
        Ok(file) => file,
        Err(error) => return format!("{error}\n{}", error.excerpt(&source)),
    };
    let args = [("HTTP_PROXY", "http://proxy:3128"), ("VERSION", "2")];
    let options = Options {
        build_args: args
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        labels: BTreeMap::from([("given".to_owned(), "label".to_owned())]),
        target_platform: Platform::new("linux", "arm64", ""),
        ..Options::new(Platform::new("linux", "amd64", ""))
    };
    let mut warnings = Vec::new();
    let plan = Graph::new(&file, &options, &mut warnings)
        .and_then(|graph| graph.plan(&BTreeMap::new(), &mut warnings));
    match plan {
        Ok(plan) => shown(&plan),
        Err(error) => format!("{error}\n{}", error.excerpt(&source)),
    }
}

fn shown(plan: &Plan) -> String {
    let mut text = format!("target {} order {:?}\n", plan.target, plan.order);
    for (node, stage) in &plan.stages {
        let _ = write!(text, "node {node} {:?} from {:?}", stage.name, stage.base);
        let _ = match &stage.platform {
            Some(platform) => writeln!(text, " for {platform}"),
            None => writeln!(text),
        };
        steps(stage, &mut text);
        let settings = &stage.settings;
        let _ = writeln!(
            text,
            "  => entrypoint {:?} cmd {:?} user {:?} dir {:?} labels {:?}",
            settings.entrypoint, settings.cmd, settings.user, settings.working_dir, settings.labels
        );
    }
    text
}

fn steps(stage: &StagePlan, text: &mut String) {
    for step in &stage.steps {
        let _ = writeln!(
            text,
            "  {}-{} {}",
            step.lines.first, step.lines.last, step.code
        );
        match &step.action {
            Action::Settings => {}
            Action::Directory { path, user } => {
                let _ = writeln!(text, "    make {path} for {user:?}");
            }
            Action::Run(run) => run_step(run, text),
            Action::Transfer(transfer) => transfer_step(transfer, text),
        }
        if let Some(history) = &step.history {
            let kind = if history.empty_layer {
                "empty"
            } else {
                "layer"
            };
            let _ = writeln!(text, "    {kind} {:?}", history.created_by);
        }
    }
}

fn run_step(run: &RunStep, text: &mut String) {
    let _ = writeln!(
        text,
        "    run {:?} in {:?} as {:?}",
        run.args, run.dir, run.user
    );
    let _ = writeln!(text, "    env {:?} proxy {:?}", run.env, run.proxy);
    let limits = (run.network, run.security, &run.devices);
    let _ = writeln!(text, "    with {limits:?}");
    for mount in &run.mounts {
        let _ = writeln!(text, "    mount {mount:?}");
    }
    if let Some(script) = &run.script {
        let _ = writeln!(text, "    script {script:?}");
    }
}

fn transfer_step(transfer: &TransferStep, text: &mut String) {
    let _ = writeln!(
        text,
        "    copy {:?} of {:?} to {:?}",
        transfer.sources, transfer.origin, transfer.destination
    );
    for (name, body) in &transfer.documents {
        let _ = writeln!(text, "    document {name:?} {body:?}");
    }
    let TransferStep {
        chown,
        chmod,
        link,
        parents,
        exclude,
        checksum,
        keep_git_dir,
        unpack,
        ..
    } = transfer;
    let _ = writeln!(
        text,
        "    chown {chown:?} chmod {chmod:?} link {link} parents {parents} exclude {exclude:?}"
    );
    let _ = writeln!(
        text,
        "    checksum {checksum:?} git {keep_git_dir} unpack {unpack:?}"
    );
}
