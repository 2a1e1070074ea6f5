//! rtnetlink and nf_tables messages over a synchronous socket.
