//! The transaction: everything in it happens at once or not at all.

use super::chain::BaseChain;
use super::expression::Expression;
use super::foreign::tagged;
use super::set::{Element, Set};
use crate::attribute::Attributes;
use crate::error::Error;
use crate::message::{APPEND, CREATE, Message};
use crate::socket::Socket;

const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;

const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const DELETE_CHAIN: u16 = 5;
const NEW_RULE: u16 = 6;
const DELETE_RULE: u16 = 8;
const NEW_SET: u16 = 9;
const NEW_ELEMENT: u16 = 12;
const DELETE_ELEMENT: u16 = 14;

const NFTA_TABLE_NAME: u16 = 1;
const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_HANDLE: u16 = 3;
const NFTA_RULE_POSITION: u16 = 6;
const NFTA_RULE_USERDATA: u16 = 7;
const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_LIST_ELEM: u16 = 1;
const NFTA_ELEMENTS_TABLE: u16 = 1;
const NFTA_ELEMENTS_SET: u16 = 2;
const NFTA_ELEMENTS: u16 = 3;

/// An attribute holds at most 64 KiB; an element with two keys and data takes up to 160 bytes.
const ELEMENTS_PER_MESSAGE: usize = 256;

/// Which packets a table sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Family {
    /// `NFPROTO_INET`: both of the others.
    Inet = 1,
    /// `NFPROTO_IPV4`.
    Ipv4 = 2,
    /// `NFPROTO_IPV6`.
    Ipv6 = 10,
}

pub(super) fn kind(operation: u16) -> u16 {
    SUBSYSTEM << 8 | operation
}

/// `struct nfgenmsg`: family, version, resource.
pub(super) fn header(family: u8) -> [u8; 4] {
    [family, 0, 0, 0]
}

/// Changes to one table, in order.
#[derive(Clone, Debug)]
pub struct Batch {
    family: Family,
    table: String,
    messages: Vec<Message>,
}

impl Batch {
    /// An empty transaction on a table.
    #[must_use]
    pub fn new(family: Family, table: &str) -> Self {
        Self {
            family,
            table: table.to_owned(),
            messages: vec![mark(BATCH_BEGIN, "begin transaction")],
        }
    }

    /// Nothing to do?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.len() == 1
    }

    fn push(
        &mut self,
        operation: u16,
        flags: u16,
        what: String,
        fill: impl FnOnce(&mut Attributes, &str),
    ) {
        let table = &self.table;
        let message = Message::new(kind(operation), flags, what, &header(self.family as u8))
            .with(|attributes| fill(attributes, table));
        self.messages.push(message);
    }

    /// Makes the table if it is not there.
    pub fn add_table(&mut self) -> &mut Self {
        let what = format!("add table {}", self.table);
        self.push(NEW_TABLE, CREATE, what, |a, table| {
            a.string(NFTA_TABLE_NAME, table);
        });
        self
    }

    /// Deletes the table with all it holds; an error if it is not there.
    pub fn delete_table(&mut self) -> &mut Self {
        let what = format!("delete table {}", self.table);
        self.push(DELETE_TABLE, 0, what, |a, table| {
            a.string(NFTA_TABLE_NAME, table);
        });
        self
    }

    /// Makes a chain that rules jump to.
    pub fn add_chain(&mut self, name: &str) -> &mut Self {
        self.push(
            NEW_CHAIN,
            CREATE,
            format!("add chain {name}"),
            |a, table| {
                a.string(NFTA_CHAIN_TABLE, table)
                    .string(NFTA_CHAIN_NAME, name);
            },
        );
        self
    }

    /// Makes a chain that packets enter at a hook.
    pub fn add_base_chain(&mut self, name: &str, base: BaseChain) -> &mut Self {
        self.push(
            NEW_CHAIN,
            CREATE,
            format!("add chain {name}"),
            |a, table| {
                a.string(NFTA_CHAIN_TABLE, table)
                    .string(NFTA_CHAIN_NAME, name);
                base.encode(a);
            },
        );
        self
    }

    /// Empties and deletes a chain that nothing jumps to.
    pub fn delete_chain(&mut self, name: &str) -> &mut Self {
        self.push(DELETE_RULE, 0, format!("flush chain {name}"), |a, table| {
            a.string(NFTA_RULE_TABLE, table)
                .string(NFTA_RULE_CHAIN, name);
        });
        self.push(
            DELETE_CHAIN,
            0,
            format!("delete chain {name}"),
            |a, table| {
                a.string(NFTA_CHAIN_TABLE, table)
                    .string(NFTA_CHAIN_NAME, name);
            },
        );
        self
    }

    /// Appends a rule.
    pub fn add_rule(&mut self, chain: &str, expressions: &[Expression]) -> &mut Self {
        self.push(
            NEW_RULE,
            CREATE | APPEND,
            format!("add rule to chain {chain}"),
            |a, table| {
                a.string(NFTA_RULE_TABLE, table)
                    .string(NFTA_RULE_CHAIN, chain)
                    .nest(NFTA_RULE_EXPRESSIONS, |list| {
                        for expression in expressions {
                            list.nest(NFTA_LIST_ELEM, |e| expression.encode(e));
                        }
                    });
            },
        );
        self
    }

    /// Puts a rule with a comment into somebody's chain: before a rule, or behind all.
    pub fn put_tagged_rule(
        &mut self,
        chain: &str,
        before: Option<u64>,
        tag: &str,
        expressions: &[Expression],
    ) -> &mut Self {
        let order = if before.is_some() { 0 } else { APPEND };
        let what = format!("add rule {tag:?} to chain {chain}");
        self.push(NEW_RULE, CREATE | order, what, |a, table| {
            a.string(NFTA_RULE_TABLE, table)
                .string(NFTA_RULE_CHAIN, chain)
                .nest(NFTA_RULE_EXPRESSIONS, |list| {
                    for expression in expressions {
                        list.nest(NFTA_LIST_ELEM, |e| expression.encode(e));
                    }
                });
            if let Some(handle) = before {
                a.bytes(NFTA_RULE_POSITION, &handle.to_be_bytes());
            }
            a.bytes(NFTA_RULE_USERDATA, &tagged(tag));
        });
        self
    }

    /// Takes a rule away.
    pub fn delete_rule(&mut self, chain: &str, handle: u64) -> &mut Self {
        let what = format!("delete rule {handle} of chain {chain}");
        self.push(DELETE_RULE, 0, what, |a, table| {
            a.string(NFTA_RULE_TABLE, table)
                .string(NFTA_RULE_CHAIN, chain)
                .bytes(NFTA_RULE_HANDLE, &handle.to_be_bytes());
        });
        self
    }

    /// Makes a set or map.
    pub fn add_set(&mut self, set: &Set<'_>) -> &mut Self {
        // The id only ties anonymous sets to rules; the kernel wants one that is unique in the batch.
        let id = u32::try_from(self.messages.len()).expect("a batch is small");
        self.push(
            NEW_SET,
            CREATE,
            format!("add set {}", set.name),
            |a, table| set.encode(table, id, a),
        );
        self
    }

    /// Adds elements to a set; one that is there with other data is an error.
    pub fn add_elements(&mut self, set: &str, elements: &[Element]) -> &mut Self {
        self.elements(NEW_ELEMENT, CREATE, ("add elements to", set), elements)
    }

    /// Deletes elements by key; one that is not there is an error.
    pub fn delete_elements(&mut self, set: &str, elements: &[Element]) -> &mut Self {
        self.elements(DELETE_ELEMENT, 0, ("delete elements of", set), elements)
    }

    fn elements(
        &mut self,
        operation: u16,
        flags: u16,
        (verb, set): (&str, &str),
        elements: &[Element],
    ) -> &mut Self {
        for part in elements.chunks(ELEMENTS_PER_MESSAGE) {
            self.push(operation, flags, format!("{verb} set {set}"), |a, table| {
                a.string(NFTA_ELEMENTS_TABLE, table)
                    .string(NFTA_ELEMENTS_SET, set)
                    .nest(NFTA_ELEMENTS, |list| {
                        for element in part {
                            element.encode(list);
                        }
                    });
            });
        }
        self
    }

    /// Puts another table's changes behind these, into the same transaction.
    pub fn join(&mut self, other: Self) -> &mut Self {
        self.messages.extend(other.messages.into_iter().skip(1));
        self
    }

    /// Carries the transaction out. On an error nothing of it happened.
    pub fn commit(mut self, socket: &mut Socket) -> Result<(), Error> {
        if self.is_empty() {
            return Ok(());
        }
        self.messages.push(mark(BATCH_END, "end transaction"));
        socket.transact(&self.messages)
    }
}

/// The marks carry the subsystem in the resource field, in network byte order.
fn mark(operation: u16, what: &str) -> Message {
    let [high, low] = SUBSYSTEM.to_be_bytes();
    Message::new(operation, 0, what, &[0, 0, high, low])
}
