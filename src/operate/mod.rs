//! What retentiond can be asked to do: one use case a file, each returning the typed report that is also the JSON.
//!
//! Commands render these reports, and whatever comes later (an HTTP API, a schedule) calls the same functions. A new
//! use case is a file here and a caller.

pub mod adopt;
pub mod approve;
pub mod check;
pub mod demo;
pub mod evidence;
pub mod holds;
pub mod pause;
pub mod plan;
pub mod report;
pub mod sources;
pub mod sweep;
pub mod waiting;
pub mod world;
