//! What a cache must do: the contract for every backend, and what Redis may be put through.
//! It must not know who uses a cache.

mod contract;
mod faults;
mod lab;
mod tls;
