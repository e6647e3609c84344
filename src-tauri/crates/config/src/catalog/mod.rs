//! The catalog: descriptions of managed services, data and not code.

/// One managed service as the catalog describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `postgres`.
    pub name: String,
}
