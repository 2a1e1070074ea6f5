//! What a set or map of ours holds in the kernel, to be compared with itself at another time.

use std::collections::BTreeSet;

use rustix::io::Errno;

use super::batch::{Family, header, kind};
use crate::attribute::{Malformed, attributes};
use crate::error::Error;
use crate::message::Message;
use crate::socket::Socket;

const NEW_SET_ELEMENT: u16 = 12;
const GET_SET_ELEMENT: u16 = 13;

const NFTA_LIST_TABLE: u16 = 1;
const NFTA_LIST_SET: u16 = 2;
const NFTA_LIST_ELEMENTS: u16 = 3;
const NFTA_LIST_ELEM: u16 = 1;

/// The elements of a set as the kernel writes them, key and data in one; none where there is no such set.
pub fn elements(
    socket: &mut Socket,
    family: Family,
    (table, set): (&str, &str),
) -> Result<Option<BTreeSet<Vec<u8>>>, Error> {
    let what = format!("list elements of {set} of table {table}");
    let header = header(family as u8);
    let message = Message::new(kind(GET_SET_ELEMENT), 0, what, &header).with(|a| {
        a.string(NFTA_LIST_TABLE, table).string(NFTA_LIST_SET, set);
    });
    let dumped = socket.dump(&message, |answer, body| {
        if answer == kind(NEW_SET_ELEMENT) {
            read(body).map(Some)
        } else {
            Ok(None)
        }
    });
    match dumped {
        Ok(parts) => Ok(Some(parts.into_iter().flatten().collect())),
        Err(error) if error.errno() == Some(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

fn read(body: &[u8]) -> Result<Vec<Vec<u8>>, Malformed> {
    let rest = body.get(4..).ok_or(Malformed("netfilter header"))?;
    let mut elements = Vec::new();
    for attribute in attributes(rest) {
        let (NFTA_LIST_ELEMENTS, list) = attribute? else {
            continue;
        };
        for element in attributes(list) {
            if let (NFTA_LIST_ELEM, element) = element? {
                elements.push(element.to_vec());
            }
        }
    }
    Ok(elements)
}
