//! The command line as a whole: its binary, called as `docker` and as `gantry`, against an engine
//! that plays recorded answers, and against a stock one.
//!
//! What docker 28 prints for the same answers is kept in `golden/`. It is recorded from the stock
//! client itself: `GANTRY_BLESS=1 GANTRY_PEERS=… cargo test -p gantry --test it`.

#![expect(clippy::unwrap_used, reason = "a test's panic is its report")]

mod engine;
mod golden;
mod help;
mod live;
mod local_engine;
mod requests;
mod run;
