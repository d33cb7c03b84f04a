//! What a broker must do: the contract for every backend, and what RabbitMQ may be put through.
//! It must not know who uses a broker.

mod contract;
mod described;
mod faults;
mod fixtures;
mod foreign;
mod lab;
mod tls;
