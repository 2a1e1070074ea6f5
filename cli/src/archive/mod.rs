//! Tar archives made from and laid out into local folders (`gantry cp`).
