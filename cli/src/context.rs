//! What every command is given: the engine's client, the printer, and the name it was called by.

use std::cell::OnceCell;

use crate::client::Client;
use crate::config::{ConfigFile, Endpoint};
use crate::printer::Printer;

/// The surroundings of one command.
#[derive(Debug)]
pub(crate) struct Context {
    /// `gantry`, or `docker` where the program is called so.
    pub(crate) program: String,
    /// The command's name as it was typed (`container ls`).
    pub(crate) verb: String,
    pub(crate) printer: Printer,
    pub(crate) endpoint: Endpoint,
    pub(crate) config: ConfigFile,
    client: OnceCell<Client>,
}

impl Context {
    pub(crate) fn new(
        (program, verb): (String, String),
        endpoint: Endpoint,
        config: ConfigFile,
    ) -> Self {
        Self {
            program,
            verb,
            printer: Printer::new(),
            endpoint,
            config,
            client: OnceCell::new(),
        }
    }

    /// The client; it connects at its first call.
    pub(crate) fn client(&self) -> &Client {
        self.client
            .get_or_init(|| Client::new(self.endpoint.host.clone()))
    }
}
