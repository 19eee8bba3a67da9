//! What retentiond can be asked to do: one use case a file, each returning the typed report that is also the JSON.
//!
//! Commands render these reports, the API sends them, and the daemon calls the same functions on its schedule. A new
//! use case is a file here and a caller.

pub mod adopt;
pub mod approve;
pub mod archive;
pub mod attend;
pub mod certificate;
pub mod check;
pub mod demo;
pub mod digests;
pub mod evidence;
pub mod explain;
pub mod grants;
pub mod holds;
pub mod measure;
pub mod overview;
pub mod pause;
pub mod plan;
pub mod report;
pub mod schedule;
pub mod sources;
pub mod sweep;
pub mod waiting;
pub mod world;
