//! The checks that need only the parsed file.

use crate::ast::{Dockerfile, FromLine, Instruction, Kind, Text};
use crate::lint::{Rule, Warning};
use crate::quote::quote;
use crate::source::Lines;

/// Checks a parsed file.
pub(crate) fn check(file: &Dockerfile) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for line in &file.empty_continuations {
        let place = Lines::one(*line);
        let message = "Empty continuation line";
        warnings.push(Warning::new(Rule::NoEmptyContinuation, message, place));
    }
    casing(file, &mut warnings);
    stage_names(file, &mut warnings);
    let instructions = file.stages.iter().flat_map(|stage| &stage.instructions);
    for instruction in file.globals.iter().chain(instructions) {
        warnings.extend(instruction_form(instruction));
        descriptions(instruction, &mut warnings);
    }
    warnings
}

fn texts(file: &Dockerfile) -> impl Iterator<Item = &Text> {
    let globals = file.globals.iter().map(|instruction| &instruction.text);
    let stages = file.stages.iter().flat_map(|stage| {
        let instructions = stage
            .instructions
            .iter()
            .map(|instruction| &instruction.text);
        std::iter::once(&stage.from.text).chain(instructions)
    });
    globals.chain(stages)
}

/// Keywords shall all be in capitals or all in small letters, as most are.
fn casing(file: &Dockerfile, warnings: &mut Vec<Warning>) {
    let is_small = |text: &&Text| text.keyword == text.keyword.to_lowercase();
    let is_large = |text: &&Text| text.keyword == text.keyword.to_uppercase();
    let small = texts(file).filter(is_small).count();
    let large = texts(file).filter(is_large).count();
    let (fits, name): (&dyn Fn(&&Text) -> bool, _) = if small > large {
        (&is_small, "lowercase")
    } else {
        (&is_large, "uppercase")
    };
    for text in texts(file).filter(|text| !fits(text)) {
        let message = format!(
            "Command '{}' should match the case of the command majority ({name})",
            text.keyword
        );
        let rule = Rule::ConsistentInstructionCasing;
        warnings.push(Warning::new(rule, message, text.lines));
    }
}

fn stage_names(file: &Dockerfile, warnings: &mut Vec<Warning>) {
    let mut known: Vec<&str> = Vec::new();
    for stage in &file.stages {
        let from = &stage.from;
        let mut warn = |rule, message: String| {
            warnings.push(Warning::new(rule, message, from.text.lines));
        };
        if let Some(message) = as_casing(from) {
            warn(Rule::FromAsCasing, message);
        }
        let (Some(name), Some(written)) = (&from.name, &from.written_name) else {
            continue;
        };
        if name != written {
            let message = format!("Stage name '{written}' should be lowercase");
            warn(Rule::StageNameCasing, message);
        }
        if ["context", "scratch"].contains(&name.as_str()) {
            let message = format!(
                "Stage name should not use the same name as reserved stage {}",
                quote(name)
            );
            warn(Rule::ReservedStageName, message);
        }
        if known.contains(&name.as_str()) {
            let message = format!(
                "Duplicate stage name {}, stage names should be unique",
                quote(name)
            );
            warn(Rule::DuplicateStageName, message);
        }
        known.push(name);
        if is_misdescribed(&from.text, name) {
            let message =
                format!("Comment for FROM should follow the format: `# {name} <description>`");
            warn(Rule::InvalidDefinitionDescription, message);
        }
    }
}

fn as_casing(from: &FromLine) -> Option<String> {
    let separator = from.separator.as_ref()?;
    let keyword = &from.text.keyword;
    let is_small = |word: &str| word == word.to_lowercase();
    let is_large = |word: &str| word == word.to_uppercase();
    let differ =
        (is_small(keyword) && !is_small(separator)) || (is_large(keyword) && !is_large(separator));
    differ.then(|| format!("'{separator}' and '{keyword}' keywords' casing do not match"))
}

fn instruction_form(instruction: &Instruction) -> Option<Warning> {
    let lines = instruction.text.lines;
    let name = instruction.kind.name();
    match &instruction.kind {
        Kind::Env(pairs) | Kind::Label(pairs) if pairs.legacy => {
            let message = format!(
                "\"{name} key=value\" should be used instead of legacy \"{name} key value\" format"
            );
            Some(Warning::new(Rule::LegacyKeyValueFormat, message, lines))
        }
        Kind::Maintainer(_) => {
            let message = "Maintainer instruction is deprecated in favor of using label";
            Some(Warning::new(Rule::MaintainerDeprecated, message, lines))
        }
        _ => None,
    }
}

fn descriptions(instruction: &Instruction, warnings: &mut Vec<Warning>) {
    let Kind::Arg(arguments) = &instruction.kind else {
        return;
    };
    for argument in arguments {
        if is_misdescribed(&instruction.text, &argument.name) {
            let message = format!(
                "Comment for ARG should follow the format: `# {} <description>`",
                argument.name
            );
            let rule = Rule::InvalidDefinitionDescription;
            warnings.push(Warning::new(rule, message, instruction.text.lines));
        }
    }
}

/// Whether comments stand before a definition, but none describes it.
fn is_misdescribed(text: &Text, name: &str) -> bool {
    let describes = |comment: &String| {
        comment
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(' '))
    };
    !text.comments.is_empty() && !text.comments.iter().any(describes)
}
