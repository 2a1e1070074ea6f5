//! Rules in chains that others made: reading enough of them to find our own, which carry a tag.

use super::batch::{Family, header, kind};
use crate::attribute::{Malformed, attributes, nul_terminated};
use crate::error::Error;
use crate::message::Message;
use crate::socket::Socket;

const GET_CHAIN: u16 = 4;
const NEW_RULE: u16 = 6;
const GET_RULE: u16 = 7;

const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_HANDLE: u16 = 3;
const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_RULE_USERDATA: u16 = 7;
const NFTA_LIST_ELEM: u16 = 1;
const NFTA_EXPR_NAME: u16 = 1;
/// `NFTNL_UDATA_RULE_COMMENT`: what `nft` and `iptables-nft` show as a rule's comment.
const COMMENT: u8 = 0;

/// A rule of somebody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignRule {
    /// The kernel's number of it.
    pub handle: u64,
    /// Its comment.
    pub tag: Option<String>,
    /// Does it apply to every packet?
    pub unconditional: bool,
}

/// Is the chain there?
pub fn chain_exists(
    socket: &mut Socket,
    family: Family,
    (table, chain): (&str, &str),
) -> Result<bool, Error> {
    let what = format!("look up chain {chain} of table {table}");
    let message = Message::new(kind(GET_CHAIN), 0, what, &header(family as u8)).with(|a| {
        a.string(NFTA_CHAIN_TABLE, table)
            .string(NFTA_CHAIN_NAME, chain);
    });
    socket
        .get(&message, |_| Ok(()))
        .map(|found| found.is_some())
}

/// The rules of a chain, in their order.
pub fn rules(
    socket: &mut Socket,
    family: Family,
    (table, chain): (&str, &str),
) -> Result<Vec<ForeignRule>, Error> {
    let what = format!("list rules of chain {chain} of table {table}");
    let message = Message::new(kind(GET_RULE), 0, what, &header(family as u8)).with(|a| {
        a.string(NFTA_RULE_TABLE, table)
            .string(NFTA_RULE_CHAIN, chain);
    });
    socket.dump(&message, |answer, body| {
        if answer == kind(NEW_RULE) {
            read(body, (table, chain))
        } else {
            Ok(None)
        }
    })
}

fn read(body: &[u8], of: (&str, &str)) -> Result<Option<ForeignRule>, Malformed> {
    let rest = body.get(4..).ok_or(Malformed("netfilter header"))?;
    let (mut table, mut chain) = (String::new(), String::new());
    let mut rule = ForeignRule {
        handle: 0,
        tag: None,
        unconditional: true,
    };
    for attribute in attributes(rest) {
        match attribute? {
            (NFTA_RULE_TABLE, payload) => table = nul_terminated(payload),
            (NFTA_RULE_CHAIN, payload) => chain = nul_terminated(payload),
            (NFTA_RULE_HANDLE, payload) => {
                let handle = payload.try_into().map(u64::from_be_bytes);
                rule.handle = handle.map_err(|_| Malformed("rule handle"))?;
            }
            (NFTA_RULE_EXPRESSIONS, payload) => rule.unconditional = is_unconditional(payload)?,
            (NFTA_RULE_USERDATA, payload) => rule.tag = comment(payload),
            _ => {}
        }
    }
    Ok(((table.as_str(), chain.as_str()) == of).then_some(rule))
}

/// Does it only count and decide?
fn is_unconditional(expressions: &[u8]) -> Result<bool, Malformed> {
    for element in attributes(expressions) {
        let (NFTA_LIST_ELEM, expression) = element? else {
            continue;
        };
        for attribute in attributes(expression) {
            if let (NFTA_EXPR_NAME, name) = attribute?
                && !matches!(nul_terminated(name).as_str(), "counter" | "immediate")
            {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Kind, length, text with a zero at its end; several of them.
fn comment(mut userdata: &[u8]) -> Option<String> {
    while let [kind, length, rest @ ..] = userdata {
        let (value, behind) = rest.split_at_checked(usize::from(*length))?;
        if *kind == COMMENT {
            return Some(nul_terminated(value));
        }
        userdata = behind;
    }
    None
}

/// A rule's userdata that is this comment; cut to what fits.
pub(super) fn tagged(text: &str) -> Vec<u8> {
    let text = &text.as_bytes()[..text.len().min(127)];
    let length = u8::try_from(text.len() + 1).expect("at most 128");
    let mut userdata = vec![COMMENT, length];
    userdata.extend_from_slice(text);
    userdata.push(0);
    userdata
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_as_it_was_written() {
        assert_eq!(
            comment(&tagged("gantry_x b")),
            Some("gantry_x b".to_owned())
        );
        let behind = [&[2, 1, 7][..], &tagged("x")].concat();
        assert_eq!(comment(&behind), Some("x".to_owned()));
        let all: [&[u8]; 4] = [&[], &[0], &[0, 9, 1], &[2, 0]];
        for torn in all {
            assert_eq!(comment(torn), None);
        }
    }
}
