//! Which stages a build needs, and what the client's options change.

use std::collections::BTreeMap;

use gantry_dockerfile::{
    Base, Dockerfile, Graph, Options, Platform, Rule, Settings, Source, Warning, check,
};

const DIAMOND: &str = "\
FROM base AS left
RUN echo left > /left
FROM base AS right
RUN echo right > /right
FROM base AS other
RUN false
FROM scratch AS both
COPY --from=left /left /
COPY --from=right /right /
FROM both
CMD [\"x\"]
";

fn options() -> Options {
    Options::new(Platform::new("linux", "amd64", ""))
}

fn parse(text: &str) -> Dockerfile {
    Dockerfile::parse(&Source::new("Dockerfile", text.as_bytes())).unwrap()
}

#[test]
fn only_what_the_target_needs_is_planned() {
    let file = parse(DIAMOND);
    let options = options();
    let graph = Graph::new(&file, &options, &mut Vec::new()).unwrap();
    assert_eq!(graph.needed(), [0, 1, 3, 4]);
    assert_eq!(graph.dependencies(3), [0, 1]);
    assert_eq!(
        graph.dependencies(0),
        Vec::<usize>::new(),
        "left and right are independent"
    );
    assert_eq!(graph.nodes()[4].base, Base::Node(3));
    let plan = graph.plan(&BTreeMap::new(), &mut Vec::new()).unwrap();
    assert!(!plan.stages.contains_key(&2));
    assert_eq!(plan.stages[&4].settings.history.len(), 3);
}

#[test]
fn a_target_is_a_name_or_a_number() {
    let file = parse(DIAMOND);
    for (target, expected) in [("left", 0), ("RIGHT", 1), ("2", 2), ("", 4)] {
        let options = Options {
            target: Some(target.to_owned()),
            ..options()
        };
        let graph = Graph::new(&file, &options, &mut Vec::new()).unwrap();
        assert_eq!(graph.target(), expected, "{target}");
    }
    let options = Options {
        target: Some("lefd".to_owned()),
        ..options()
    };
    let error = Graph::new(&file, &options, &mut Vec::new()).unwrap_err();
    let text = "target stage \"lefd\" could not be found (did you mean left?)";
    assert_eq!(error.to_string(), text);
}

#[test]
fn an_image_that_is_only_copied_from_is_a_node_once() {
    let file = parse("FROM scratch\nCOPY --from=alpine /a /\nCOPY --from=alpine /b /\n");
    let options = options();
    let graph = Graph::new(&file, &options, &mut Vec::new()).unwrap();
    assert_eq!(graph.nodes().len(), 2);
    assert_eq!(graph.nodes()[1].base, Base::Image("alpine".to_owned()));
    assert_eq!(graph.needed(), [1, 0]);
}

#[test]
fn the_clients_arguments_win() {
    let text = "ARG TAG=1\nFROM base:${TAG} AS a\nARG X=default\nARG Y\nENV v=$X$Y\n";
    let file = parse(text);
    let given = [("TAG", "2"), ("X", "given"), ("Y", "!"), ("UNUSED", "u")];
    let options = Options {
        build_args: given
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        labels: BTreeMap::from([("l".to_owned(), "1".to_owned())]),
        ..options()
    };
    let graph = Graph::new(&file, &options, &mut Vec::new()).unwrap();
    assert_eq!(graph.nodes()[0].base, Base::Image("base:2".to_owned()));
    let plan = graph.plan(&BTreeMap::new(), &mut Vec::new()).unwrap();
    let settings = &plan.stages[&0].settings;
    assert!(
        settings.env.contains(&"v=given!".to_owned()),
        "{:?}",
        settings.env
    );
    assert_eq!(settings.labels["l"], "1");
}

#[test]
fn a_base_for_another_platform_is_told_of() {
    let arm = Settings {
        platform: Some(Platform::new("linux", "arm64", "")),
        ..Settings::default()
    };
    let source = Source::new("Dockerfile", b"FROM base\n");
    let report = check(&source, &options(), &|_| Some(arm.clone()));
    let [Warning { rule, message, .. }] = report.warnings.as_slice() else {
        panic!("{report:?}");
    };
    assert_eq!(*rule, Rule::InvalidBaseImagePlatform);
    assert_eq!(
        message,
        "Base image base was pulled with platform \"linux/arm64\", expected \"linux/amd64\" for current build"
    );
}

#[test]
fn every_rule_has_a_page_but_one() {
    let without: Vec<Rule> = Rule::ALL
        .into_iter()
        .filter(|rule| rule.url().is_none())
        .collect();
    assert_eq!(without, [Rule::InvalidBaseImagePlatform]);
    let url = Rule::JsonArgsRecommended.url().unwrap();
    assert_eq!(
        url,
        "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/"
    );
}

#[test]
fn faults_show_the_source_with_the_exact_place() {
    let text = "FROM scratch\nLABEL a=b\nCOPY --chown=1 \\\n  --chmood=2 a b\nCMD x\n";
    let source = Source::new("Dockerfile", text.as_bytes());
    let error = Dockerfile::parse(&source).unwrap_err();
    assert_eq!(
        error.to_string(),
        "dockerfile parse error on line 3: unknown flag: --chmood (did you mean chmod?)"
    );
    let position = source.position(error.span.clone().unwrap().start);
    assert_eq!((position.line, position.column), (4, 3));
    assert_eq!(
        error.excerpt(&source),
        "\
Dockerfile:3
--------------------
   2 |     LABEL a=b
   3 | >>> COPY --chown=1 \\
   4 | >>>   --chmood=2 a b
     |       ^^^^^^^^^^
   5 |     CMD x
--------------------
"
    );
}

#[test]
fn the_graph_is_drawn() {
    let file = parse(DIAMOND);
    let options = options();
    let graph = Graph::new(&file, &options, &mut Vec::new()).unwrap();
    assert_eq!(
        graph.to_text(),
        "\
+ left from base
+ right from base
- other from base
+ both from scratch, needs left, right
* stage-4 from both
"
    );
    let dot = graph.to_dot();
    for line in [
        "  n4 [label=\"stage-4\" shape=doubleoctagon style=solid];",
        "  n2 [label=\"other\" shape=box style=dashed];",
        "  n0 -> \"base\";",
        "  n4 -> n3;",
        "  n3 -> n1 [style=dotted];",
    ] {
        assert!(dot.lines().any(|found| found == line), "{line} in {dot}");
    }
}

const CHECKED: &str = "\
# stage comment
ARG A=1 B
# good is a stage
FROM scratch AS Good
LABEL a=$nope
FROM good
";

#[test]
fn checks_are_printed_as_buildx_does() {
    let source = Source::new("Dockerfile", CHECKED.as_bytes());
    let report = check(&source, &options(), &|_| None);
    assert_eq!(
        report.to_text(&source),
        "\
Check complete, 2 warnings have been found!

WARNING: StageNameCasing - https://docs.docker.com/go/dockerfile/rule/stage-name-casing/
Stage name 'Good' should be lowercase
Dockerfile:4
--------------------
   2 |     ARG A=1 B
   3 |     # good is a stage
   4 | >>> FROM scratch AS Good
   5 |     LABEL a=$nope
   6 |     FROM good
--------------------

WARNING: UndefinedVar - https://docs.docker.com/go/dockerfile/rule/undefined-var/
Usage of undefined variable '$nope'
Dockerfile:5
--------------------
   3 |     # good is a stage
   4 |     FROM scratch AS Good
   5 | >>> LABEL a=$nope
   6 |     FROM good
   7 |     
--------------------
"
    );
    let json = report.to_json(&source);
    assert_eq!(json["warnings"][1]["ruleName"], "UndefinedVar");
    assert_eq!(
        json["warnings"][1]["location"]["ranges"][0]["start"]["line"],
        5
    );
    assert_eq!(json["sources"][0]["language"], "Dockerfile");
}

#[test]
fn targets_are_listed_with_their_descriptions() {
    let source = Source::new("Dockerfile", CHECKED.as_bytes());
    let targets = Dockerfile::parse(&source).unwrap().targets(&source);
    let good = &targets["targets"][0];
    assert_eq!(
        (&good["name"], &good["description"]),
        (&"good".into(), &"is a stage".into())
    );
    assert_eq!(targets["targets"][1]["default"], true);
    assert_eq!(targets["targets"][1]["base"], "good");
}

#[test]
fn triggers_of_a_stage_may_copy_from_others() {
    let text = "FROM scratch AS files\nCOPY a /\nFROM scratch AS one\n\
                ONBUILD COPY --from=files /a /x\nFROM one AS two\nFROM two\nCOPY b /\n";
    let file = parse(text);
    let mut options = options();
    options.target = Some("two".to_owned());
    let graph = Graph::new(&file, &options, &mut Vec::new()).unwrap();
    assert_eq!(graph.dependencies(2), [0, 1]);
    let plan = graph.plan(&BTreeMap::new(), &mut Vec::new()).unwrap();
    assert_eq!(plan.stages[&2].steps.len(), 1);
    // What a stage does itself it does not leave to the next.
    assert_eq!(graph.dependencies(3), [2]);
}
