//! Looking at what is there: our own table, and what others hang into the packet path.

use super::batch::{Family, header, kind};
use super::chain::{Hook, Policy};
use crate::attribute::{Malformed, attributes, nul_terminated};
use crate::error::Error;
use crate::message::Message;
use crate::socket::Socket;

const GET_TABLE: u16 = 1;
const NEW_CHAIN: u16 = 3;
const GET_CHAIN: u16 = 4;

const NFTA_TABLE_NAME: u16 = 1;
const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_POLICY: u16 = 5;
const NFTA_HOOK_NUMBER: u16 = 1;

/// A chain that somebody tied to a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignChain {
    /// Table.
    pub table: String,
    /// Name.
    pub name: String,
    /// Where.
    pub hook: u32,
    /// What it does with packets that no rule decided about.
    pub policy: Policy,
}

impl ForeignChain {
    /// Is it tied to this hook?
    #[must_use]
    pub fn is_at(&self, hook: Hook) -> bool {
        self.hook == hook as u32
    }
}

/// Is the table there?
pub fn table_exists(socket: &mut Socket, family: Family, table: &str) -> Result<bool, Error> {
    let what = format!("look up table {table}");
    let message = Message::new(kind(GET_TABLE), 0, what, &header(family as u8)).with(|a| {
        a.string(NFTA_TABLE_NAME, table);
    });
    socket
        .get(&message, |_| Ok(()))
        .map(|found| found.is_some())
}

/// All chains of a family that are tied to a hook, whoever made them.
pub fn chains(socket: &mut Socket, family: Family) -> Result<Vec<ForeignChain>, Error> {
    let message = Message::new(kind(GET_CHAIN), 0, "list chains", &header(family as u8));
    socket.dump(&message, |answer, body| {
        if answer == kind(NEW_CHAIN) {
            read(body)
        } else {
            Ok(None)
        }
    })
}

fn read(body: &[u8]) -> Result<Option<ForeignChain>, Malformed> {
    let rest = body.get(4..).ok_or(Malformed("netfilter header"))?;
    let (mut table, mut name, mut hook, mut policy) =
        (String::new(), String::new(), None, Policy::Accept);
    for attribute in attributes(rest) {
        let (kind, payload) = attribute?;
        match kind {
            NFTA_CHAIN_TABLE => table = nul_terminated(payload),
            NFTA_CHAIN_NAME => name = nul_terminated(payload),
            NFTA_CHAIN_POLICY if be32(payload)? == Policy::Drop as u32 => policy = Policy::Drop,
            NFTA_CHAIN_HOOK => hook = hook_number(payload)?,
            _ => {}
        }
    }
    Ok(hook.map(|hook| ForeignChain {
        table,
        name,
        hook,
        policy,
    }))
}

fn hook_number(hook: &[u8]) -> Result<Option<u32>, Malformed> {
    for attribute in attributes(hook) {
        if let (NFTA_HOOK_NUMBER, payload) = attribute? {
            return be32(payload).map(Some);
        }
    }
    Ok(None)
}

fn be32(payload: &[u8]) -> Result<u32, Malformed> {
    payload
        .try_into()
        .map(u32::from_be_bytes)
        .map_err(|_| Malformed("number"))
}
