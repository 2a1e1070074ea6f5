//! A whole file to stages.

use crate::ast::{Dockerfile, Kind, Stage};
use crate::error::{Error, Meaning};
use crate::instruction::{self, Parsed};
use crate::lint::{self, Warning};
use crate::source::Source;
use crate::statement;

impl Dockerfile {
    /// Parses a Dockerfile.
    ///
    /// # Errors
    /// The first fault, with BuildKit's words and the lines concerned.
    pub fn parse(source: &Source) -> Result<Self, Error> {
        let statements = statement::read(source)?;
        let escape = statements.directives.escape;
        let mut file = Self {
            directives: statements.directives,
            globals: Vec::new(),
            stages: Vec::new(),
            empty_continuations: Vec::new(),
        };
        for statement in &statements.list {
            if statement.has_empty_line {
                file.empty_continuations.push(statement.lines.last);
            }
            let instruction = match instruction::parse(statement, escape)? {
                Parsed::From(from) => {
                    let instructions = Vec::new();
                    file.stages.push(Stage { from, instructions });
                    continue;
                }
                Parsed::Other(instruction) => instruction,
            };
            match file.stages.last_mut() {
                Some(stage) => stage.instructions.push(instruction),
                None if matches!(instruction.kind, Kind::Arg(_)) => file.globals.push(instruction),
                None => return Err(Error::new(Meaning::NoStage, statement.lines)),
            }
        }
        Ok(file)
    }

    /// What the checks that need no values find, whichever the `check` directive chooses.
    #[must_use]
    pub fn lint(&self) -> Vec<Warning> {
        lint::check(self)
    }
}
