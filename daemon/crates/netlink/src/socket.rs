//! A synchronous netlink socket: requests out in one datagram, answers matched by sequence number.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use gantry_linux::netlink::{NetlinkOption, enable_netlink_option};
use rustix::io::Errno;
use rustix::net::{
    self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, sockopt,
};

use crate::error::Error;
use crate::message::{ACK, Answer, DUMP, Message, answers};

/// The kernel writes a list in pieces of at most 32 KiB.
const RECEIVE_BUFFER: usize = 64 * 1024;
/// Room for the answers to a large batch, all queued before the first is read.
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;
/// The kernel answers while it takes the request: this only keeps a call from having no end.
const TIMEOUT: Duration = Duration::from_secs(20);
/// How often a list is read again because it changed meanwhile.
const DUMP_ATTEMPTS: usize = 8;

/// Which part of the kernel a socket talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Links, addresses, routes.
    Route,
    /// nf_tables and conntrack.
    Netfilter,
}

/// A netlink socket of the namespace in which it was opened.
#[derive(Debug)]
pub struct Socket {
    descriptor: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

fn step(step: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| Error::Socket {
        step,
        source: errno.into(),
    }
}

impl Socket {
    /// Opens a socket in the calling thread's network namespace.
    pub fn open(protocol: Protocol) -> Result<Self, Error> {
        let number = match protocol {
            Protocol::Route => None,
            Protocol::Netfilter => Some(netlink::NETFILTER),
        };
        let flags = SocketFlags::CLOEXEC;
        let descriptor = net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, number)
            .map_err(step("open"))?;
        net::bind(&descriptor, &netlink::SocketAddrNetlink::new(0, 0)).map_err(step("bind"))?;
        sockopt::set_socket_timeout(&descriptor, sockopt::Timeout::Recv, Some(TIMEOUT))
            .map_err(step("set the timeout of"))?;
        // Beyond the machine's limit only with CAP_NET_ADMIN, which whoever changes networks has.
        if sockopt::set_socket_recv_buffer_size_force(&descriptor, SOCKET_BUFFER).is_err() {
            sockopt::set_socket_recv_buffer_size(&descriptor, SOCKET_BUFFER)
                .map_err(step("set the buffer of"))?;
        }
        if sockopt::set_socket_send_buffer_size_force(&descriptor, SOCKET_BUFFER).is_err() {
            sockopt::set_socket_send_buffer_size(&descriptor, SOCKET_BUFFER)
                .map_err(step("set the buffer of"))?;
        }
        // All three only improve answers: a kernel without them still answers.
        for option in [
            NetlinkOption::ExtendedAck,
            NetlinkOption::CapAck,
            NetlinkOption::StrictDump,
        ] {
            let _ = enable_netlink_option(descriptor.as_fd(), option);
        }
        Ok(Self {
            descriptor,
            sequence: 1,
            buffer: vec![0; RECEIVE_BUFFER],
        })
    }

    /// Sends messages in one datagram and waits until each is answered. The kernel goes on after a
    /// refusal; the first one is returned.
    pub fn request(&mut self, messages: &[Message]) -> Result<(), Error> {
        if messages.is_empty() {
            return Ok(());
        }
        let first = self.take_sequence(messages.len());
        let mut datagram = Vec::new();
        for (sequence, message) in (first..).zip(messages) {
            message.encode(sequence, ACK, &mut datagram);
        }
        self.send(&datagram)?;
        let mut outcome = Ok(());
        let mut open = messages.len();
        while open > 0 {
            self.receive(first, messages, |message, answer| {
                if matches!(answer, Answer::Done | Answer::Refused(_)) {
                    open -= 1;
                }
                if let (Answer::Refused(source), Ok(())) = (answer, &outcome) {
                    outcome = Err(Error::Refused {
                        what: message.what.clone(),
                        source,
                    });
                }
                Ok(())
            })?;
        }
        outcome
    }

    /// Sends an atomic batch: `messages` begins and ends with the batch's own marks, which are not
    /// acknowledged. Waits for the answer to the last but one, or to the first, whichever the kernel
    /// gives; of a refused batch nothing was done.
    pub(crate) fn transact(&mut self, messages: &[Message]) -> Result<(), Error> {
        let first = self.take_sequence(messages.len());
        let last = messages.len().saturating_sub(2);
        let mut datagram = Vec::new();
        for (index, message) in messages.iter().enumerate() {
            let sequence = first.wrapping_add(u32::try_from(index).expect("a batch is small"));
            message.encode(sequence, if index == last { ACK } else { 0 }, &mut datagram);
        }
        self.send(&datagram)?;
        let mut outcome = Ok(());
        let mut answered = false;
        while !answered {
            self.receive(first, messages, |message, answer| {
                let ends =
                    std::ptr::eq(message, &messages[last]) || std::ptr::eq(message, &messages[0]);
                answered |= ends && matches!(answer, Answer::Done | Answer::Refused(_));
                if let (Answer::Refused(source), Ok(())) = (answer, &outcome) {
                    outcome = Err(Error::Refused {
                        what: message.what.clone(),
                        source,
                    });
                }
                Ok(())
            })?;
        }
        outcome
    }

    /// Reads a list: `take` turns each object (kind and body) into an item or skips it. Read again from
    /// the start if it changed meanwhile.
    pub fn dump<T>(
        &mut self,
        message: &Message,
        mut take: impl FnMut(u16, &[u8]) -> Result<Option<T>, crate::Malformed>,
    ) -> Result<Vec<T>, Error> {
        for _ in 0..DUMP_ATTEMPTS {
            if let Some(list) = self.dump_once(message, &mut take)? {
                return Ok(list);
            }
        }
        Err(Error::Restless(message.what.clone()))
    }

    fn dump_once<T>(
        &mut self,
        message: &Message,
        take: &mut impl FnMut(u16, &[u8]) -> Result<Option<T>, crate::Malformed>,
    ) -> Result<Option<Vec<T>>, Error> {
        let sequence = self.take_sequence(1);
        let mut datagram = Vec::new();
        message.encode(sequence, DUMP, &mut datagram);
        self.send(&datagram)?;
        let (mut list, mut whole, mut ended) = (Vec::new(), true, false);
        let mut outcome = Ok(());
        while !ended {
            self.receive(sequence, std::slice::from_ref(message), |_, answer| {
                match answer {
                    Answer::Object {
                        kind,
                        body,
                        interrupted,
                    } => {
                        whole &= !interrupted;
                        list.extend(take(kind, body)?);
                    }
                    Answer::End | Answer::Done => ended = true,
                    Answer::Refused(source) if source.errno == Errno::INTR => {
                        (whole, ended) = (false, true);
                    }
                    Answer::Refused(source) => {
                        outcome = Err(Error::Refused {
                            what: message.what.clone(),
                            source,
                        });
                        ended = true;
                    }
                    Answer::Nothing => {}
                }
                Ok(())
            })?;
        }
        outcome.map(|()| whole.then_some(list))
    }

    /// Asks for one object; `None` if there is none.
    pub fn get<T>(
        &mut self,
        message: &Message,
        mut take: impl FnMut(&[u8]) -> Result<T, crate::Malformed>,
    ) -> Result<Option<T>, Error> {
        let sequence = self.take_sequence(1);
        let mut datagram = Vec::new();
        message.encode(sequence, ACK, &mut datagram);
        self.send(&datagram)?;
        let (mut found, mut ended) = (Ok(None), false);
        while !ended {
            self.receive(sequence, std::slice::from_ref(message), |_, answer| {
                match answer {
                    Answer::Object { body, .. } => found = Ok(Some(take(body)?)),
                    Answer::Refused(r) if matches!(r.errno, Errno::NOENT | Errno::NODEV) => {
                        ended = true;
                    }
                    Answer::Refused(source) => {
                        found = Err(Error::Refused {
                            what: message.what.clone(),
                            source,
                        });
                        ended = true;
                    }
                    Answer::Done | Answer::End => ended = true,
                    Answer::Nothing => {}
                }
                Ok(())
            })?;
        }
        found
    }

    fn take_sequence(&mut self, count: usize) -> u32 {
        let count = u32::try_from(count).expect("a batch is small");
        if self.sequence.checked_add(count).is_none() {
            self.sequence = 1;
        }
        let first = self.sequence;
        self.sequence += count;
        first
    }

    fn send(&self, datagram: &[u8]) -> Result<(), Error> {
        loop {
            match net::send(&self.descriptor, datagram, SendFlags::empty()) {
                Ok(sent) if sent == datagram.len() => return Ok(()),
                Ok(_) => {
                    let source = io::Error::from(io::ErrorKind::WriteZero);
                    return Err(Error::Socket {
                        step: "write the whole datagram to",
                        source,
                    });
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(step("write to")(errno)),
            }
        }
    }

    /// Reads one datagram and hands on the answers to `messages`, whose numbers begin at `first`;
    /// what was left over from an earlier call that failed is dropped.
    fn receive<'m>(
        &mut self,
        first: u32,
        messages: &'m [Message],
        mut each: impl FnMut(&'m Message, Answer<'_>) -> Result<(), crate::Malformed>,
    ) -> Result<(), Error> {
        let length = loop {
            match net::recv(&self.descriptor, &mut self.buffer[..], RecvFlags::TRUNC) {
                Ok((_, length)) => break length,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(step("read from")(errno)),
            }
        };
        let malformed = |source| Error::Malformed {
            what: messages.first().map(|m| m.what.clone()).unwrap_or_default(),
            source,
        };
        let datagram = self
            .buffer
            .get(..length)
            .ok_or(crate::Malformed(
                "datagram longer than the kernel's own limit",
            ))
            .map_err(malformed)?;
        for answer in answers(datagram) {
            let (sequence, answer) = answer.map_err(malformed)?;
            let index = usize::try_from(sequence.wrapping_sub(first)).unwrap_or(usize::MAX);
            if let Some(message) = messages.get(index) {
                each(message, answer).map_err(malformed)?;
            }
        }
        Ok(())
    }
}
