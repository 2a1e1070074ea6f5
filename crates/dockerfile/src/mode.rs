//! `--chmod`: octal or symbolic, as GNU `chmod` reads it.

/// A change of permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mode(Change);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Set(u32),
    Clauses(Vec<Clause>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Clause {
    /// The bits of the classes spoken of: `u` 0o4700, `g` 0o2070, `o` 0o1007.
    classes: u32,
    operator: char,
    read_write: u32,
    execute: bool,
    /// `X`: execute for directories and for what someone can execute.
    execute_some: bool,
    set_id: bool,
    sticky: bool,
    /// `u`, `g` or `o` on the right: the permissions of another class.
    copied: Option<char>,
}

impl Mode {
    /// Reads a mode; none if it is malformed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_octal = !text.is_empty() && text.chars().all(|digit| digit.is_digit(8));
        if is_octal {
            let bits = u32::from_str_radix(text, 8).ok()?;
            return (bits <= 0o7777).then_some(Self(Change::Set(bits)));
        }
        let mut clauses = Vec::new();
        for text in text.split(',') {
            clause(text, &mut clauses)?;
        }
        Some(Self(Change::Clauses(clauses)))
    }

    /// The permissions themselves, where the mode is octal.
    #[must_use]
    pub const fn octal(&self) -> Option<u32> {
        match &self.0 {
            Change::Set(bits) => Some(*bits),
            Change::Clauses(_) => None,
        }
    }

    /// The permissions after the change.
    #[must_use]
    pub fn apply(&self, bits: u32, is_directory: bool) -> u32 {
        match &self.0 {
            Change::Set(bits) => *bits,
            Change::Clauses(clauses) => clauses
                .iter()
                .fold(bits, |bits, clause| clause.apply(bits, is_directory)),
        }
    }
}

/// `[ugoa]*([-+=]([rwxXst]*|[ugo]))+`
fn clause(text: &str, clauses: &mut Vec<Clause>) -> Option<()> {
    let end = text.find(['+', '-', '='])?;
    let mut classes = 0;
    for class in text[..end].chars() {
        classes |= match class {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            'a' => 0o7777,
            _ => return None,
        };
    }
    if end == 0 {
        classes = 0o7777;
    }
    let mut rest = &text[end..];
    while let Some(operator) = rest.chars().next() {
        let body = &rest[1..];
        let end = body.find(['+', '-', '=']).unwrap_or(body.len());
        let mut clause = Clause {
            classes,
            operator,
            read_write: 0,
            execute: false,
            execute_some: false,
            set_id: false,
            sticky: false,
            copied: None,
        };
        for letter in body[..end].chars() {
            match letter {
                'r' => clause.read_write |= 0o444,
                'w' => clause.read_write |= 0o222,
                'x' => clause.execute = true,
                'X' => clause.execute_some = true,
                's' => clause.set_id = true,
                't' => clause.sticky = true,
                'u' | 'g' | 'o' if end == 1 => clause.copied = Some(letter),
                _ => return None,
            }
        }
        clauses.push(clause);
        rest = &body[end..];
    }
    Some(())
}

impl Clause {
    fn apply(self, bits: u32, is_directory: bool) -> u32 {
        let mut wanted = self.read_write;
        let someone_executes = bits & 0o111 != 0;
        if self.execute || (self.execute_some && (is_directory || someone_executes)) {
            wanted |= 0o111;
        }
        if self.set_id {
            wanted |= 0o6000;
        }
        if self.sticky {
            wanted |= 0o1000;
        }
        if let Some(class) = self.copied {
            let shift = match class {
                'u' => 6,
                'g' => 3,
                _ => 0,
            };
            let copied = (bits >> shift) & 7;
            wanted |= copied * 0o111;
        }
        let wanted = wanted & self.classes;
        match self.operator {
            '+' => bits | wanted,
            '-' => bits & !wanted,
            _ => {
                // As chmod does, `=` keeps a directory's set-id bits unless they are named.
                let kept = if is_directory && !self.set_id {
                    0o6000
                } else {
                    0
                };
                (bits & !(self.classes & !kept)) | wanted
            }
        }
    }
}
