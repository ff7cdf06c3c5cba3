//! Marks that models write around what they say: thoughts, calls of tools, and the ends of their turns.

/// The longest mark, in bytes.
pub(super) const LONGEST: usize = 64;

/// What a mark does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SpeechMark {
    /// What follows is no answer, up to the mark that ends it.
    Hides(&'static [&'static str]),
    /// What came before is no answer, though nothing said so at its beginning.
    EndsThoughts,
    /// What follows, up to [`CHANNEL_ENDS`], names a channel.
    Channel,
    /// Nothing.
    Empty,
    /// The answer is over, if there is one.
    Stop,
}

/// What may stand at the front of a text.
pub(super) enum MarkFront {
    /// A mark of so many bytes.
    Mark(usize, SpeechMark),
    /// It cannot be told without more text.
    Unknown,
    /// No mark.
    Text,
}

/// What ends a hidden part to which nothing more is known.
const NEVER: &[&str] = &[];
/// What ends thoughts in tags, whichever of the tags began them.
const THOUGHT_ENDS: &[&str] = &[
    "</think>",
    "</thinking>",
    "</thought>",
    "</thoughts>",
    "</reasoning>",
    "</reflection>",
    "</analysis>",
    "</scratchpad>",
    "</seed:think>",
    "</internal>",
];
const THOUGHTS: &[&str] = &[
    "think",
    "thinking",
    "thought",
    "thoughts",
    "reasoning",
    "reflection",
    "analysis",
    "scratchpad",
    "seed:think",
    "internal",
];
const CALL_ENDS: &[&str] =
    &["</tool_call>", "</function_call>", "</function>", "</tool_code>", "</tool_calls>", "</invoke>"];
const CALLS: &[&str] = &["tool_call", "function_call", "function", "tool_code", "tool_calls", "invoke"];
/// Tags around an answer, which are no part of it.
const AROUND: &[&str] = &["answer", "response", "final", "final_answer", "reply", "assistant"];
/// Tokens in angle brackets.
const TOKENS: &[(&str, SpeechMark)] = &[
    ("s", SpeechMark::Empty),
    ("/s", SpeechMark::Stop),
    ("bos", SpeechMark::Empty),
    ("eos", SpeechMark::Stop),
    ("pad", SpeechMark::Empty),
    ("unk", SpeechMark::Empty),
    ("start_of_turn", SpeechMark::Empty),
    ("end_of_turn", SpeechMark::Stop),
    ("unused94", SpeechMark::Hides(&["<unused95>"])),
    ("unused95", SpeechMark::EndsThoughts),
];
/// Marks of other shapes.
const OTHERS: &[(&str, SpeechMark)] = &[
    ("[THINK]", SpeechMark::Hides(&["[/THINK]"])),
    ("[/THINK]", SpeechMark::EndsThoughts),
    ("[TOOL_CALLS]", SpeechMark::Hides(NEVER)),
    ("[INST]", SpeechMark::Stop),
    ("[/INST]", SpeechMark::Empty),
    ("◁think▷", SpeechMark::Hides(&["◁/think▷"])),
    ("◁/think▷", SpeechMark::EndsThoughts),
];

/// What ends the name of a channel.
pub(super) const CHANNEL_ENDS: &[&str] = &["<|message|>"];
/// What ends a channel that is no answer.
const MESSAGE_ENDS: &[&str] = &["<|end|>", "<|start|>", "<|channel|>", "<|return|>", "<|call|>"];

/// What follows the name of a channel: the answer, or something else.
pub(super) fn channel(name: &str) -> SpeechMark {
    let name = name.rsplit("<|channel|>").next().unwrap_or("").trim();
    if name.is_empty() || name.starts_with("final") || name == "assistant" {
        SpeechMark::Empty
    } else {
        SpeechMark::Hides(MESSAGE_ENDS)
    }
}

/// What stands at the front of `rest`; `ended` when nothing follows it.
pub(super) fn front(rest: &str, ended: bool) -> MarkFront {
    let found = match rest.chars().next() {
        Some('<') => tag(rest),
        Some('[' | '◁') => other(rest),
        _ => MarkFront::Text,
    };
    match found {
        MarkFront::Unknown if ended => MarkFront::Text,
        found => found,
    }
}

fn other(rest: &str) -> MarkFront {
    for (text, mark) in OTHERS {
        if rest.starts_with(text) {
            return MarkFront::Mark(text.len(), *mark);
        }
    }
    if OTHERS.iter().any(|(text, _)| text.starts_with(rest)) { MarkFront::Unknown } else { MarkFront::Text }
}

/// `<name …>`, `</name>`, `<|name|>`, `<｜name｜>`.
fn tag(rest: &str) -> MarkFront {
    let window: usize = rest
        .char_indices()
        .map(|(at, c)| at.saturating_add(c.len_utf8()))
        .take_while(|end| *end <= LONGEST)
        .last()
        .unwrap_or(0);
    let head = rest.get(..window).unwrap_or("");
    let inside = head.get(1..).unwrap_or("");
    let Some(end) = inside.find(['<', '>', '\n']) else {
        let may = window == rest.len() && may_be_known(inside);
        return if may { MarkFront::Unknown } else { MarkFront::Text };
    };
    if !inside.get(end..).is_some_and(|rest| rest.starts_with('>')) {
        return MarkFront::Text;
    }
    let inside = inside.get(..end).unwrap_or("");
    let length = end.saturating_add(2);
    for bar in ['|', '｜'] {
        if let Some(name) = inside.strip_prefix(bar) {
            return match name.strip_suffix(bar) {
                Some(name) if !name.contains(char::is_whitespace) => MarkFront::Mark(length, token(name)),
                _ => MarkFront::Text,
            };
        }
    }
    match named(inside) {
        Some(mark) => MarkFront::Mark(length, mark),
        None => MarkFront::Text,
    }
}

/// Whether `<` and this may become one of the tags there are.
fn may_be_known(begun: &str) -> bool {
    if begun.starts_with(['|', '｜']) {
        return !begun.contains(char::is_whitespace);
    }
    let lower = begun.to_ascii_lowercase();
    let name = lower.strip_prefix('/').unwrap_or(&lower);
    let known = || {
        THOUGHTS
            .iter()
            .chain(CALLS)
            .chain(AROUND)
            .copied()
            .chain(TOKENS.iter().map(|(name, _)| name.trim_start_matches('/')))
    };
    match name.find([' ', '=', '\t']) {
        Some(end) => known().any(|known| name.get(..end) == Some(known)),
        None => known().any(|known| known.starts_with(name)),
    }
}

fn named(inside: &str) -> Option<SpeechMark> {
    let lower = inside.to_ascii_lowercase();
    if let Some((_, mark)) = TOKENS.iter().find(|(name, _)| *name == lower) {
        return Some(*mark);
    }
    let (closes, name) = match lower.strip_prefix('/') {
        Some(name) => (true, name),
        None => (false, lower.as_str()),
    };
    let name = name.split([' ', '=', '\t', '/']).next().unwrap_or("");
    if THOUGHTS.contains(&name) {
        return Some(if closes { SpeechMark::EndsThoughts } else { SpeechMark::Hides(THOUGHT_ENDS) });
    }
    if CALLS.contains(&name) {
        return Some(if closes { SpeechMark::Empty } else { SpeechMark::Hides(CALL_ENDS) });
    }
    AROUND.contains(&name).then_some(SpeechMark::Empty)
}

/// `<|name|>`: each model family has its own; what is not known of one is that it is no text.
fn token(name: &str) -> SpeechMark {
    match name.to_ascii_lowercase().as_str() {
        "im_end"
        | "endoftext"
        | "eot_id"
        | "end_of_text"
        | "return"
        | "eom_id"
        | "end_of_turn_token"
        | "user"
        | "im_start"
        | "end▁of▁sentence"
        | "eot"
        | "observation" => SpeechMark::Stop,
        "channel" | "start" => SpeechMark::Channel,
        "begin_of_thought" | "start_thinking" | "think" => {
            SpeechMark::Hides(&["<|end_of_thought|>", "<|END_THINKING|>", "<|/think|>"])
        }
        "end_of_thought" | "end_thinking" | "/think" => SpeechMark::EndsThoughts,
        "python_tag" | "tool_calls_section_begin" | "tool▁calls▁begin" | "tool_call" | "start_action" => {
            SpeechMark::Hides(NEVER)
        }
        _ => SpeechMark::Empty,
    }
}

/// The first of `ends` in a text, and how many bytes it has; without regard to the case of ASCII letters.
pub(super) fn find_end(text: &str, ends: &[&str]) -> Option<(usize, usize)> {
    // Up to the first one and no further: what comes after it is read for the next one.
    text.char_indices().find_map(|(at, _)| {
        let rest = text.get(at..)?;
        let is_here = |end: &&&str| rest.get(..end.len()).is_some_and(|here| here.eq_ignore_ascii_case(end));
        ends.iter().find(is_here).map(|end| (at, end.len()))
    })
}
