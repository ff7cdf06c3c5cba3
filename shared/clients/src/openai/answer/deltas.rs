//! Pieces of a text, whether a server sends what is new or, each time, all that there is.

/// Puts the pieces of one answer together.
#[derive(Debug, Default)]
pub(super) struct Deltas {
    state: DeltaState,
    /// All that was given.
    given: String,
}

#[derive(Debug, Default)]
enum DeltaState {
    #[default]
    Nothing,
    /// One piece, which was given.
    One(String),
    /// A second one that begins with the first, held until a third says what they are.
    Grown(String, String),
    /// Each piece is all that there is; this was the last one.
    Whole(String),
    /// Each piece is new.
    Pieces,
}

impl Deltas {
    /// Whether there was a piece.
    pub(super) const fn began(&self) -> bool {
        !matches!(self.state, DeltaState::Nothing)
    }

    /// What is new in the next piece.
    pub(super) fn next(&mut self, piece: String) -> String {
        let (state, new) = match std::mem::take(&mut self.state) {
            DeltaState::Nothing => (DeltaState::One(piece.clone()), piece),
            DeltaState::One(first) if grows(&first, &piece) && !first.trim().is_empty() => {
                (DeltaState::Grown(first, piece), String::new())
            }
            DeltaState::Grown(first, second) if grows(&second, &piece) => {
                let new = after(&piece, &first);
                (DeltaState::Whole(piece), new)
            }
            DeltaState::Grown(_, second) => (DeltaState::Pieces, second + &piece),
            DeltaState::Whole(last) if piece.starts_with(&last) => {
                let new = after(&piece, &last);
                (DeltaState::Whole(piece), new)
            }
            DeltaState::Whole(last) if last.starts_with(&piece) => (DeltaState::Whole(last), String::new()),
            DeltaState::One(_) | DeltaState::Whole(_) | DeltaState::Pieces => (DeltaState::Pieces, piece),
        };
        self.state = state;
        self.given.push_str(&new);
        new
    }

    /// What is new in a text that is the whole answer.
    pub(super) fn whole(&mut self, text: String) -> String {
        if let DeltaState::Grown(_, second) = std::mem::replace(&mut self.state, DeltaState::Pieces) {
            self.given.push_str(&second);
            return second + &self.whole(text);
        }
        if self.given.is_empty() {
            self.given.clone_from(&text);
            return text;
        }
        if !text.starts_with(&self.given) {
            return String::new();
        }
        let new = after(&text, &self.given);
        self.given = text;
        new
    }

    /// What was held to the end.
    pub(super) fn finish(&mut self) -> String {
        match std::mem::replace(&mut self.state, DeltaState::Pieces) {
            // Of two pieces the second is the whole only when it is much longer: "a" and "and" are two.
            DeltaState::Grown(first, second)
                if first.len() > 2 && second.len() >= first.len().saturating_add(8) =>
            {
                after(&second, &first)
            }
            DeltaState::Grown(_, second) => second,
            _ => String::new(),
        }
    }
}

fn grows(before: &str, piece: &str) -> bool {
    piece.len() > before.len() && piece.starts_with(before)
}

fn after(text: &str, before: &str) -> String {
    text.get(before.len()..).unwrap_or("").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn together(pieces: &[&str]) -> String {
        let mut deltas = Deltas::default();
        let mut text: String = pieces.iter().map(|piece| deltas.next((*piece).to_owned())).collect();
        text.push_str(&deltas.finish());
        text
    }

    #[test]
    fn what_is_sent_again_is_said_once() {
        for (pieces, text) in [
            (&["Yes", ", we", " do."][..], "Yes, we do."),
            (&["Yes", "Yes, we", "Yes, we do."], "Yes, we do."),
            (&["Yes", "Yes, we", "Yes, we do.", "Yes, we do."], "Yes, we do."),
            (&["Yes", "Yes, we do indeed."], "Yes, we do indeed."),
            (&["a", "and", " so on"], "aand so on"),
            (&["1", "10", " and 100"], "110 and 100"),
            (&["ha", "ha", "ha"], "hahaha"),
            (&["one"], "one"),
            (&[], ""),
        ] {
            assert_eq!(together(pieces), text, "{pieces:?}");
        }
    }

    #[test]
    fn a_whole_answer_after_its_pieces_is_not_said_again() {
        let mut deltas = Deltas::default();
        assert_eq!(deltas.next("Yes, ".into()) + &deltas.next("we".into()), "Yes, we");
        assert_eq!(deltas.whole("Yes, we do.".into()), " do.");
        assert_eq!(deltas.whole("Yes, we do.".into()), "");
        assert_eq!(deltas.whole("Something else".into()), "");
    }
}
