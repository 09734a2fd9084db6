//! Reading a document: parse it, count it, and write it back as the layout engine shall see it.
//!
//! The engine gets our serialisation and never the caller's text, so that what was counted is what is laid out.

mod parse;
mod sink;
mod tree;
mod write;

pub(crate) use parse::parse;
pub(crate) use tree::{Kind, NodeId, Tree};
pub(crate) use write::{write_as_engine, write_document, write_xml};
