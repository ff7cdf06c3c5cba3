//! Protocols spoken through ports.
