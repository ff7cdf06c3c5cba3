//! A thin shell.
