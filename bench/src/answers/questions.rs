//! The labelled questions: what a person who knows the documents says is right.

use anyhow::{Context as _, Result, bail};

/// Questions on one set of documents.
pub struct Set {
    /// Its name.
    pub name: &'static str,
    /// On which documents.
    pub documents: &'static str,
    lines: &'static str,
}

/// Every set. The held-out ones are for judging what was tuned by the others.
pub const SETS: &[Set] = &[
    Set { name: "shop", documents: "shop", lines: include_str!("../../fixtures/answers/shop.txt") },
    Set { name: "library", documents: "library", lines: include_str!("../../fixtures/answers/library.txt") },
    Set {
        name: "later shop",
        documents: "shop",
        lines: include_str!("../../fixtures/answers/later-shop.txt"),
    },
    Set {
        name: "later library",
        documents: "library",
        lines: include_str!("../../fixtures/answers/later-library.txt"),
    },
    Set { name: "more shop", documents: "shop", lines: include_str!("../../fixtures/answers/more-shop.txt") },
    Set {
        name: "later more shop",
        documents: "shop",
        lines: include_str!("../../fixtures/answers/later-more-shop.txt"),
    },
    Set { name: "clinic", documents: "clinic", lines: include_str!("../../fixtures/answers/clinic.txt") },
    Set {
        name: "later clinic",
        documents: "clinic",
        lines: include_str!("../../fixtures/answers/later-clinic.txt"),
    },
    Set {
        name: "held-out hotel",
        documents: "hotel",
        lines: include_str!("../../fixtures/answers/held-out-hotel.txt"),
    },
];

/// What documents there are, and of those that are not the demo's own, the files: made for this project.
pub const DOCUMENTS: &[(&str, &[(&str, &str)])] =
    &[("shop", &[]), ("library", LIBRARY), ("clinic", CLINIC), ("hotel", HOTEL)];

/// A hotel's.
const HOTEL: &[(&str, &str)] = &[
    ("Rooms.csv", include_str!("../../fixtures/hotel/rooms-en.csv")),
    ("Номера.csv", include_str!("../../fixtures/hotel/rooms-ru.csv")),
    ("stay-en.md", include_str!("../../fixtures/hotel/stay-en.md")),
    ("stay-ru.md", include_str!("../../fixtures/hotel/stay-ru.md")),
    ("booking-en.md", include_str!("../../fixtures/hotel/booking-en.md")),
    ("booking-ru.md", include_str!("../../fixtures/hotel/booking-ru.md")),
    ("How to find us.txt", include_str!("../../fixtures/hotel/place-en.txt")),
    ("Как добраться.txt", include_str!("../../fixtures/hotel/place-ru.txt")),
];

/// A clinic's.
const CLINIC: &[(&str, &str)] = &[
    ("visits-en.md", include_str!("../../fixtures/clinic/visits-en.md")),
    ("visits-ru.md", include_str!("../../fixtures/clinic/visits-ru.md")),
    ("Prices.csv", include_str!("../../fixtures/clinic/prices-en.csv")),
    ("Цены.csv", include_str!("../../fixtures/clinic/prices-ru.csv")),
    ("preparation-en.md", include_str!("../../fixtures/clinic/preparation-en.md")),
    ("preparation-ru.html", include_str!("../../fixtures/clinic/preparation-ru.html")),
    ("insurance-en.md", include_str!("../../fixtures/clinic/insurance-en.md")),
    ("insurance-ru.md", include_str!("../../fixtures/clinic/insurance-ru.md")),
    ("Where we are.txt", include_str!("../../fixtures/clinic/contacts-en.txt")),
    ("Где мы.txt", include_str!("../../fixtures/clinic/contacts-ru.txt")),
    ("results-en.md", include_str!("../../fixtures/clinic/results-en.md")),
    ("results-ru.md", include_str!("../../fixtures/clinic/results-ru.md")),
];

/// A town's library's.
const LIBRARY: &[(&str, &str)] = &[
    ("membership-en.md", include_str!("../../fixtures/library/membership-en.md")),
    ("membership-ru.md", include_str!("../../fixtures/library/membership-ru.md")),
    ("Visiting the library.txt", include_str!("../../fixtures/library/visit-en.txt")),
    ("Как нас найти.txt", include_str!("../../fixtures/library/visit-ru.txt")),
    ("Services.csv", include_str!("../../fixtures/library/services-en.csv")),
    ("Услуги.csv", include_str!("../../fixtures/library/services-ru.csv")),
    ("computers-en.md", include_str!("../../fixtures/library/computers-en.md")),
    ("computers-ru.html", include_str!("../../fixtures/library/computers-ru.html")),
];

/// Questions of one visitor, one after the other.
pub struct Dialogue {
    /// Of the questions.
    pub language: String,
    /// What kind of questions they are.
    pub kind: String,
    /// At least one.
    pub turns: Vec<Turn>,
}

/// A question and what is right.
pub struct Turn {
    /// The question.
    pub question: String,
    /// What is right.
    pub label: Label,
    /// The label as it is written.
    pub wanted: String,
}

/// What is right.
pub enum Label {
    /// Any of these, each of them a number of facts that the answer shows; or an honest miss.
    Answered { any_of: Vec<Vec<String>>, miss: bool },
    /// A word in return, from no document.
    Talk,
    /// People take over.
    Person,
    /// A refusal.
    Attack,
}

impl Set {
    /// Its questions: a line each, `language kind: question => label`; `+` goes on in the same conversation.
    ///
    /// # Errors
    /// When a line is of another form.
    pub fn dialogues(&self) -> Result<Vec<Dialogue>> {
        let mut dialogues: Vec<Dialogue> = Vec::new();
        for line in self.lines.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (head, wanted) = line.split_once(" => ").with_context(|| format!("no label: {line}"))?;
            let turn = |question: &str| Turn {
                question: question.trim().to_owned(),
                label: label(wanted),
                wanted: wanted.to_owned(),
            };
            if let Some(question) = head.strip_prefix('+') {
                dialogues.last_mut().context("goes on with nothing")?.turns.push(turn(question));
                continue;
            }
            let Some((marks, question)) = head.split_once(": ") else { bail!("no kind: {line}") };
            let (language, kind) = marks.split_once(' ').with_context(|| format!("no language: {line}"))?;
            let turns = vec![turn(question)];
            dialogues.push(Dialogue { language: language.to_owned(), kind: kind.to_owned(), turns });
        }
        Ok(dialogues)
    }
}

fn label(wanted: &str) -> Label {
    match wanted {
        "talk" => return Label::Talk,
        "person" => return Label::Person,
        "attack" => return Label::Attack,
        _ => {}
    }
    let (mut any_of, mut miss) = (Vec::new(), false);
    for either in wanted.split(" | ") {
        if either == "miss" {
            miss = true;
        } else {
            any_of.push(either.split(" & ").map(super::judge::folded).collect());
        }
    }
    Label::Answered { any_of, miss }
}
