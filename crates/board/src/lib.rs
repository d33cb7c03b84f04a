//! The live table: the last tick per (venue, pair), the rate per pair made from them, the stream of changes.
//! It must not know any venue's wire format, nor who reads it.
