//! Pieces of a text, whether a server sends what is new or, each time, all that there is.

/// Puts the pieces of one answer together.
#[derive(Debug, Default)]
pub(super) struct Deltas {
    state: State,
    /// All that was given.
    given: String,
}

#[derive(Debug, Default)]
enum State {
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
        !matches!(self.state, State::Nothing)
    }

    /// What is new in the next piece.
    pub(super) fn next(&mut self, piece: String) -> String {
        let (state, new) = match std::mem::take(&mut self.state) {
            State::Nothing => (State::One(piece.clone()), piece),
            State::One(first) if grows(&first, &piece) && !first.trim().is_empty() => {
                (State::Grown(first, piece), String::new())
            }
            State::Grown(first, second) if grows(&second, &piece) => {
                let new = after(&piece, &first);
                (State::Whole(piece), new)
            }
            State::Grown(_, second) => (State::Pieces, second + &piece),
            State::Whole(last) if piece.starts_with(&last) => {
                let new = after(&piece, &last);
                (State::Whole(piece), new)
            }
            State::Whole(last) if last.starts_with(&piece) => (State::Whole(last), String::new()),
            State::One(_) | State::Whole(_) | State::Pieces => (State::Pieces, piece),
        };
        self.state = state;
        self.given.push_str(&new);
        new
    }

    /// What is new in a text that is the whole answer.
    pub(super) fn whole(&mut self, text: String) -> String {
        if let State::Grown(_, second) = std::mem::replace(&mut self.state, State::Pieces) {
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
        match std::mem::replace(&mut self.state, State::Pieces) {
            // Of two pieces the second is the whole only when it is much longer: "a" and "and" are two.
            State::Grown(first, second)
                if first.len() > 2 && second.len() >= first.len().saturating_add(8) =>
            {
                after(&second, &first)
            }
            State::Grown(_, second) => second,
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
