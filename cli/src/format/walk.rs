//! Walks a template's tree: which fields it names, and the two places where Go's methods and
//! printing are put in.

use anyhow::{Result, anyhow};
use gotmpl::parse::{BranchNode, CommandNode, Expr, ListNode, Node, PipeNode, SmolStr};

/// The functions of docker's templates besides Go's own.
pub(super) const FUNCTIONS: [&str; 8] = [
    "json", "split", "join", "title", "lower", "upper", "pad", "truncate",
];
pub(super) const BUILTINS: [&str; 19] = [
    "and", "or", "not", "len", "index", "slice", "print", "printf", "println", "html", "js",
    "urlquery", "call", "eq", "ne", "lt", "le", "gt", "ge",
];

/// Names no user can write, put in by `rewrite_list`.
pub(super) const PRINT: &str = "\u{1}print";
pub(super) const LABEL: &str = "\u{1}label";

/// Field chains on the object itself: not inside `range` and `with`, where the dot is another.
pub(super) fn collect_list(list: &ListNode, found: &mut Vec<(Vec<SmolStr>, usize)>) {
    for node in &list.nodes {
        match node {
            Node::Action(action) => collect_pipe(&action.pipe, found),
            Node::If(branch) => {
                collect_pipe(&branch.pipe, found);
                collect_list(&branch.body, found);
                if let Some(body) = &branch.else_body {
                    collect_list(body, found);
                }
            }
            Node::With(branch) | Node::Range(branch) => collect_pipe(&branch.pipe, found),
            Node::List(list) => collect_list(list, found),
            _ => {}
        }
    }
}

fn collect_pipe(pipe: &PipeNode, found: &mut Vec<(Vec<SmolStr>, usize)>) {
    for arg in pipe.commands.iter().flat_map(|command| &command.args) {
        match arg {
            Expr::Field(pos, fields) => found.push((fields.clone(), pos.offset)),
            Expr::Pipe(_, inner) => collect_pipe(inner, found),
            _ => {}
        }
    }
}

/// Lets printed objects go through [`PRINT`], and `.Label "x"`, a method in Go, through [`LABEL`].
pub(super) fn rewrite_list(list: &mut ListNode) {
    for node in &mut list.nodes {
        match node {
            Node::Action(action) => {
                rewrite_pipe(&mut action.pipe);
                if action.pipe.decl.is_empty() {
                    let pos = action.pos;
                    let printer = CommandNode {
                        pos,
                        args: vec![Expr::Identifier(pos, PRINT.into())],
                    };
                    action.pipe.commands.push(printer);
                }
            }
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => rewrite_branch(branch),
            Node::List(list) => rewrite_list(list),
            _ => {}
        }
    }
}

fn rewrite_branch(branch: &mut BranchNode) {
    rewrite_pipe(&mut branch.pipe);
    rewrite_list(&mut branch.body);
    if let Some(body) = &mut branch.else_body {
        rewrite_list(body);
    }
}

fn rewrite_pipe(pipe: &mut PipeNode) {
    for command in &mut pipe.commands {
        for arg in &mut command.args {
            if let Expr::Pipe(_, inner) = arg {
                rewrite_pipe(inner);
            }
        }
        let is_label =
            |fields: &[_]| fields.len() == 1 && AsRef::<str>::as_ref(&fields[0]) == "Label";
        if command.args.len() < 2 {
            continue;
        }
        let row = match &command.args[0] {
            Expr::Field(pos, fields) if is_label(fields) => Expr::Dot(*pos),
            Expr::Variable(pos, name, fields) if is_label(fields) => {
                Expr::Variable(*pos, name.clone(), Vec::new())
            }
            _ => continue,
        };
        let pos = command.pos;
        command
            .args
            .splice(0..1, [Expr::Identifier(pos, LABEL.into()), row]);
    }
}

/// Go refuses an unknown function when it parses, not when it gets there.
pub(super) fn check_functions(list: &ListNode) -> Result<()> {
    for node in &list.nodes {
        match node {
            Node::Action(action) => check_pipe(&action.pipe)?,
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                check_pipe(&branch.pipe)?;
                check_functions(&branch.body)?;
                branch.else_body.as_ref().map_or(Ok(()), check_functions)?;
            }
            Node::List(list) => check_functions(list)?,
            _ => {}
        }
    }
    Ok(())
}

fn check_pipe(pipe: &PipeNode) -> Result<()> {
    for arg in pipe.commands.iter().flat_map(|command| &command.args) {
        match arg {
            Expr::Identifier(pos, name) => {
                let name: &str = name.as_ref();
                if !name.starts_with('\u{1}')
                    && !FUNCTIONS.contains(&name)
                    && !BUILTINS.contains(&name)
                {
                    return Err(anyhow!(
                        "template parsing error: template: :{}: function \"{name}\" not defined",
                        pos.line
                    ));
                }
            }
            Expr::Pipe(_, inner) => check_pipe(inner)?,
            _ => {}
        }
    }
    Ok(())
}
