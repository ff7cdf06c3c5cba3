//! How much of a question a statement answers.

use super::count;
use super::holds::Measure;
use super::statement::{BESIDE, Candidate, Condition, KIND, Said};
use crate::question::{Asked, Question, Wants, codes, names};
use crate::text::Language;

/// What a document in another language counts, of one in the question's own.
const FOREIGN: f64 = 0.6;

/// What a code counts, of a word.
const CODE: f64 = 0.5;

/// What of a word has to be there so that it counts as answered: more than its document's title.
const NAMED: f64 = 0.4;

/// How many of the words of a longer question have to be answered. Of two, both.
const COMPLETE: f64 = 0.6;

/// What all statements are judged by.
pub(super) struct Judge<'a> {
    pub(super) question: &'a Question,
    pub(super) weights: Vec<f64>,
    pub(super) texts: Vec<Said>,
    /// What the question wants to be measured.
    pub(super) measures: Vec<Measure>,
}

pub(super) struct Scored {
    pub(super) covered: f64,
    pub(super) share: f64,
    /// What was counted of each word.
    pub(super) credits: Vec<f64>,
}

impl Judge<'_> {
    pub(super) fn score(&self, statement: &Candidate<'_>, only: Option<&[bool]>, wants: &Wants) -> Scored {
        let mut credits = Vec::with_capacity(self.question.words.len());
        let (mut covered, mut whole, mut direct) = (0.0, 0.0, 0.0_f64);
        for (at, word) in self.question.words.iter().enumerate() {
            let counts = only.is_none_or(|only| only.get(at).copied().unwrap_or(false));
            let own = statement.own.credit(word);
            let around = statement.around.iter().map(|(text, share)| {
                self.texts.get(*text).map_or(0.0, |said| near(said.credit(word), *share))
            });
            let mut credit = around.fold(own, f64::max);
            if word.meaning.names.is_empty()
                && self.is_code(word)
                && statement.codes.iter().any(|code| self.question.codes.contains(code))
            {
                credit = 1.0;
            }
            // What kind of answer is wanted is met by an answer of that kind.
            if wants.price && names(word, "цена") && statement.has.money {
                credit = credit.max(0.9);
            }
            if (wants.mail && statement.has.mail && names(word, "email"))
                || (wants.phone && statement.has.phone && names(word, "phone"))
            {
                credit = credit.max(0.9);
            }
            // Which row that is, is for all rows together to say.
            if (wants.cheapest || wants.dearest) && word.asks && statement.amount.is_some() {
                credit = 1.0;
            }
            // What a visitor was charged is no question of what a thing costs.
            if wants.told && names(word, "цена") {
                credit = 0.0;
            }
            credits.push(credit);
            // What was asked before the last question is a help, and is not asked again.
            if !counts || (word.age >= 2 && credit < NAMED) {
                continue;
            }
            let weight = if word.asks { 0.2 } else { 1.0 }
                * self.weights.get(at).copied().unwrap_or(1.0)
                * 0.5_f64.powi(i32::from(word.age));
            covered += weight * credit;
            whole += weight;
            direct = direct.max(own);
        }
        // A code is asked for, also where its letters and digits are no words by themselves: "K-17". It counts less than a word:
        // what is asked of it is to be answered, and not only that it is named.
        if only.is_none() && !self.question.words.iter().any(|word| self.is_code(word)) {
            let there = self.question.codes.iter().filter(|code| statement.codes.contains(code)).count();
            whole += CODE * f64::from(u32::try_from(self.question.codes.len()).unwrap_or(u32::MAX));
            covered += CODE * f64::from(u32::try_from(there).unwrap_or(u32::MAX));
            direct = direct.max(if there > 0 { 1.0 } else { 0.0 });
        }
        let mut fits = 1.0;
        let (wants, has) = (wants, &statement.has);
        for (wanted, there) in [
            (wants.price, has.money),
            (wants.time, has.time),
            (wants.duration, has.duration),
            (wants.number, has.number),
        ] {
            if wanted && !there {
                fits *= 0.75;
            }
        }
        if self.measures.iter().any(|measure| !has.measures.contains(measure)) {
            fits *= 0.75;
        }
        // "How many doctors?" is answered by a number of doctors.
        if wants.number && direct <= 0.0 {
            fits *= 0.75;
        }
        if wants.negative && !has.negative {
            fits *= 0.55;
        }
        if wants.general && !wants.negative && has.negative {
            fits *= 0.7;
        }
        if (wants.mail && !has.mail) || (wants.phone && !has.phone) {
            fits *= 0.7;
        }
        if wants.general && !has.allows {
            fits *= 0.8;
        }
        if wants.hours && !has.hours {
            fits *= 0.6;
        }
        if wants.place && !has.place {
            fits *= 0.5;
        }
        if wants.permission && !(has.allows || has.negative) {
            // A number to call says nothing of what may be done.
            fits *= if has.phone || has.mail { 0.6 } else { 0.8 };
        }
        // "What do I bring to a visit?" is not answered by the fields of a visit.
        if wants.open && statement.row && !wants.a_field() && self.question.codes.is_empty() {
            fits *= 0.6;
        }
        // What went wrong is not set right by a row of a price list.
        if wants.told && statement.row {
            fits *= 0.6;
        }
        // An order not to do something is no help where it is not done.
        let troubled = self.question.words.iter().any(|word| word.negated) && !wants.permission;
        if troubled && has.order {
            fits *= 0.7;
        }
        // What is said not to be so is what is asked about.
        let negated = |(word, credit): (&Asked, &f64)| word.negated && *credit < NAMED;
        if self.question.words.iter().zip(&credits).any(negated) {
            fits *= 0.6;
        }
        if wants.goods && statement.row {
            fits *= 1.15;
        }
        fits *= 0.85 + 0.25 * statement.focus;
        if self.question.numbers.iter().any(|number| statement.numbers.contains(number)) {
            fits *= 1.1;
        }
        if !self.question.codes.is_empty() && only.is_none() {
            let exact = self.question.codes.iter().any(|code| statement.codes.contains(code));
            fits *= if exact { 1.2 } else { 0.6 };
        }
        if statement.language != self.question.language && self.question.language != Language::Other {
            fits *= FOREIGN;
        }
        if direct <= 0.0 {
            fits *= 0.95;
        }
        let share = if whole > 0.0 { covered / whole } else { 0.0 };
        // What fits well ranks higher; it makes up for nothing that is not answered.
        let complete = 0.25_f64.mul_add(self.completeness(&credits), 0.75);
        let ranks = complete * if only.is_none() { self.generality(statement) } else { 1.0 };
        Scored { covered: covered * fits * ranks, share: share * fits.min(1.0), credits }
    }

    /// The general rule goes before the exception and the special case, where these are not asked for.
    fn generality(&self, statement: &Candidate<'_>) -> f64 {
        let (wants, words) = (&self.question.wants, &self.question.words);
        let own = words.iter().filter(|word| word.age == 0 && !word.asks);
        let is_topic = own.count() <= 2 && !wants.permission;
        let mut general = 1.0;
        if wants.way {
            let says_how = statement.way || statement.has.mail || statement.has.phone;
            general *= if says_how { 1.08 } else { 0.92 };
        }
        if is_topic && statement.aside {
            general *= 0.85;
        }
        if is_topic && !wants.negative && statement.has.negative && !statement.row {
            general *= 0.8;
        }
        if is_topic && !wants.general && (statement.has.number || statement.row) {
            general *= if statement.row { 1.1 } else { 1.05 };
        }
        match statement.condition {
            Some(Condition::Case(case)) => {
                let named = self
                    .texts
                    .get(case)
                    .is_some_and(|said| words.iter().any(|word| !word.asks && said.credit(word) >= 0.7));
                if !named {
                    general *= 0.75;
                }
            }
            Some(Condition::Outside) if !wants.outside => general *= 0.75,
            Some(Condition::Outside) | None => {}
        }
        general
    }

    /// How many of the question's own words are answered at all, 0 to 1.
    fn completeness(&self, credits: &[f64]) -> f64 {
        let (mut there, mut all) = (0_usize, 0_usize);
        for (word, credit) in self.question.words.iter().zip(credits) {
            if word.age == 0 && !word.asks && !names(word, "магазин") {
                all = all.saturating_add(1);
                there = there.saturating_add(usize::from(*credit >= NAMED));
            }
        }
        if all == 0 { 1.0 } else { count(there) / count(all) }
    }

    /// How much of the question two statements answer together, 0 to 1.
    pub(super) fn share(&self, one: &Scored, two: &Scored) -> f64 {
        let (mut covered, mut whole) = (0.0, 0.0);
        for ((weight, first), second) in self.weights.iter().zip(&one.credits).zip(&two.credits) {
            covered += weight * first.max(*second);
            whole += weight;
        }
        if whole > 0.0 { covered / whole } else { 0.0 }
    }

    fn is_code(&self, word: &Asked) -> bool {
        let folded = codes(&word.term.word);
        folded.iter().any(|one| self.question.codes.iter().any(|code| code.starts_with(one.as_str())))
    }
}
/// What a credit counts beside a statement. What holds for a kind of thing has to be said of it in the statement or above it.
fn near(credit: f64, share: f64) -> f64 {
    if credit <= KIND && share <= BESIDE { 0.5 * credit * share } else { credit * share }
}

/// The measures that a question names.
pub(super) fn measures(question: &Question) -> Vec<Measure> {
    let named =
        |measure: &Measure| question.words.iter().any(|word| word.age == 0 && names(word, measure.name()));
    Measure::ALL.into_iter().filter(named).collect()
}

/// A word that few statements hold tells more; one that none holds is likely to be what the question is about.
pub(super) fn weight(word: &Asked, question: &Question, statements: &[Candidate<'_>]) -> f64 {
    let there = statements.iter().filter(|statement| statement.own.credit(word) >= 0.7).count();
    let all = count(statements.len());
    // Where one is says little of what is asked.
    if names(word, "магазин") {
        return 0.3;
    }
    if there == 0 {
        // What is done with a thing is said in many ways; the thing itself in few.
        return if word.verb && !question.wants.told { 0.6 } else { 1.0 };
    }
    let rare = ((all + 1.0) / (count(there) + 0.5)).ln() / (all + 1.0).ln().max(1.0);
    rare.clamp(0.3, 1.0)
}
pub(super) fn best<'a, 'b>(
    statements: &'a [Candidate<'b>],
    scored: &'a [Scored],
) -> Option<(&'a Candidate<'b>, &'a Scored)> {
    // The search ranked the passages: of equal statements that of the better one, and in it the first.
    statements
        .iter()
        .zip(scored)
        .enumerate()
        .max_by(|(one, (a, first)), (two, (b, second))| {
            let rank = |statement: &Candidate<'_>, score: &Scored| {
                score.covered * (1.0 + 0.02 / (count(statement.offered) + 1.0))
            };
            rank(a, first).total_cmp(&rank(b, second)).then(two.cmp(one))
        })
        .map(|(_, found)| found)
}

impl Judge<'_> {
    /// The row that costs least, or most, of those that are of the kind that is asked for.
    pub(super) fn extreme<'a, 'b>(
        &self,
        statements: &'a [Candidate<'b>],
        scored: &'a [Scored],
    ) -> Option<(&'a Candidate<'b>, &'a Scored)> {
        let wants = &self.question.wants;
        if !(wants.cheapest || wants.dearest) {
            return None;
        }
        let priced = statements.iter().zip(scored).filter_map(|(statement, score)| {
            let fits = statement.row
                && statement.language == self.question.language
                && self.completeness(&score.credits) >= 1.0
                && self.question.words.iter().any(|word| !word.asks && statement.subject.credit(word) >= 0.7);
            Some((statement.amount.filter(|_| fits)?, (statement, score)))
        });
        let by = |one: &(f64, _), two: &(f64, _)| one.0.total_cmp(&two.0);
        let found = if wants.cheapest { priced.min_by(by) } else { priced.max_by(by) };
        found.map(|(_, found)| found)
    }

    /// Whether what a question goes on about is in the answer, too.
    fn keeps_subject(&self, credits: &[f64]) -> bool {
        let mut carried = self.question.words.iter().zip(credits).filter(|(word, _)| word.age > 0).peekable();
        carried.peek().is_none() || carried.any(|(_, credit)| *credit >= NAMED)
    }

    /// Whether a statement answers enough: of the whole question, or of one sentence of a longer message.
    pub(super) fn suffices(&self, statement: &Candidate<'_>, best: &Scored, least: f64) -> bool {
        let own = self.question.words.iter().filter(|word| word.age == 0 && !word.asks).count();
        // "How do I make an appointment with the doctor?" is answered under "Making an appointment".
        let named = self.question.wants.way && statement.way && statement.focus >= 1.0;
        let complete = match own {
            _ if named => 0.5,
            // A row has fields that may be asked for; of what else it says, all has to be asked.
            _ if statement.row && !self.question.wants.a_field() && self.question.codes.is_empty() => 1.0,
            0..=2 => 1.0,
            _ => COMPLETE,
        };
        if best.share >= least
            && self.completeness(&best.credits) >= complete
            && self.keeps_subject(&best.credits)
        {
            return true;
        }
        let last = self.question.words.iter().map(|word| word.clause).max().unwrap_or(0);
        (0..=last).any(|clause| {
            let only: Vec<bool> =
                self.question.words.iter().map(|word| word.clause == clause && word.age == 0).collect();
            let count = only.iter().filter(|counts| **counts).count();
            count >= 1
                && count < only.len()
                && self.score(statement, Some(&only), &self.question.wants).share >= least.max(0.65)
        })
    }
}
