//! How much of a question a passage covers: whether there is an answer at all.
