//! The deployment files: what they say must exist, and what they start must run. No container engine is needed.
//! It must not know how a role works.

mod compose;
mod files;
mod manager;
mod running;
mod stack;
