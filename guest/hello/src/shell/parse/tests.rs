//! The grammar, by examples.

use super::{Command, Error, Piece, Redirect, When, parse};

fn text(s: &str) -> Vec<Piece> {
    vec![Piece::Text(s.into())]
}

fn words(command: &Command) -> Vec<String> {
    command.words.iter().map(|w| format!("{w:?}")).collect()
}

#[test]
fn connectors_say_when_the_next_one_runs() {
    let list = parse("a && b || c; d & e\nf").expect("parses");
    let when: Vec<When> = list.iter().map(|p| p.when).collect();
    use When::{Always, Failed, Succeeded};
    assert_eq!(when, [Always, Succeeded, Failed, Always, Always, Always]);
    assert_eq!(
        list.iter().map(|p| p.background).collect::<Vec<_>>(),
        [false, false, false, true, false, false]
    );
}

#[test]
fn a_pipe_is_not_an_or() {
    assert_eq!(parse("a | b|c").expect("parses")[0].commands.len(), 3);
    assert_eq!(parse("a || b").expect("parses").len(), 2);
}

#[test]
fn quotes_keep_blanks_and_variables_apart() {
    let list = parse(r#"echo 'a b' "c $X" $Y d\ e '' "#).expect("parses");
    let command = &list[0].commands[0];
    assert_eq!(command.words[1], text("a b"));
    assert_eq!(
        command.words[2],
        vec![
            Piece::Text("c ".into()),
            Piece::Variable {
                name: "X".into(),
                quoted: true
            }
        ]
    );
    assert_eq!(
        command.words[3],
        vec![Piece::Variable {
            name: "Y".into(),
            quoted: false
        }]
    );
    assert_eq!(command.words[4], text("d e"));
    assert_eq!(command.words[5], text(""), "{:?}", words(command));
}

#[test]
fn redirections_of_both_outputs() {
    let list = parse("a >x 2>>y <z 2>&1").expect("parses");
    let redirects = &list[0].commands[0].redirects;
    assert_eq!(
        redirects[0],
        Redirect::Out {
            fd: 1,
            file: text("x"),
            append: false
        }
    );
    assert_eq!(
        redirects[1],
        Redirect::Out {
            fd: 2,
            file: text("y"),
            append: true
        }
    );
    assert_eq!(redirects[2], Redirect::In(text("z")));
    assert_eq!(redirects[3], Redirect::ErrorsToOut);
}

#[test]
fn what_it_does_not_have_is_refused_by_name() {
    assert_eq!(
        parse("if true; then x; fi"),
        Err(Error::NotBuilt("if".into()))
    );
    assert_eq!(parse("echo $(id)"), Err(Error::NotBuilt("$(".into())));
    assert_eq!(
        parse("echo ${X:-1}"),
        Err(Error::NotBuilt("${X:-1}".into()))
    );
    assert_eq!(parse("echo 'a"), Err(Error::Unclosed('\'')));
    assert_eq!(parse("a &&"), Err(Error::Expected("a command")));
    assert_eq!(parse("| a"), Err(Error::Expected("a command")));
}

#[test]
fn comments_and_empty_lines_are_nothing() {
    assert_eq!(parse("\n # a comment\n\n").expect("parses"), vec![]);
    assert_eq!(
        parse("a # b").expect("parses")[0].commands[0].words.len(),
        1
    );
}
