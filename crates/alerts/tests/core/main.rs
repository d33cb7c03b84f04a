//! The core of the alerts, without a store and without time passing by itself.
//! It must not know how anything is kept or sent.

mod desk;
mod gates;
mod lines;
mod naive;
mod promises;
mod quiet;
