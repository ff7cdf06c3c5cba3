//! Documents: from upload to answer, and gone everywhere.
