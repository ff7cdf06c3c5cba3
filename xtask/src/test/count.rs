//! Counting what each runner says it did.

use std::fmt;

/// How many tests ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Passed.
    pub passed: u32,
    /// Failed, or could not run.
    pub failed: u32,
    /// Left out.
    pub skipped: u32,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl Counts {
    /// One test.
    pub fn one(passed: bool) -> Self {
        Self { passed: u32::from(passed), failed: u32::from(!passed), skipped: 0 }
    }

    /// One test that was left out.
    pub const SKIPPED: Self = Self { passed: 0, failed: 0, skipped: 1 };

    /// Both together.
    pub fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed.saturating_add(other.passed),
            failed: self.failed.saturating_add(other.failed),
            skipped: self.skipped.saturating_add(other.skipped),
        }
    }

    /// A runner that failed without a failed test, or that ran no test at all, has failed.
    pub fn judged(self, ended_well: bool) -> Self {
        let none = self.passed == 0 && self.failed == 0;
        if self.failed == 0 && (none || !ended_well) { self.add(Self::one(false)) } else { self }
    }
}

/// The number before `word`: `12` of `12 passed`.
fn before(line: &str, word: &str) -> u32 {
    let mut last = "";
    for part in line.split_whitespace() {
        if part.trim_end_matches([',', ';', '.']) == word {
            return last.parse().unwrap_or(0);
        }
        last = part;
    }
    0
}

/// `Summary [0.1s] 45 tests run: 44 passed (1 slow), 1 failed, 2 skipped`; also `timed out`, which is a failure.
pub fn nextest(output: &str) -> Counts {
    let Some(line) = output.lines().rev().find(|line| line.trim_start().starts_with("Summary [")) else {
        return Counts::default();
    };
    let timed_out =
        line.split(", ").find(|part| part.contains("timed out")).map_or(0, |part| before(part, "timed"));
    Counts {
        passed: before(line, "passed"),
        failed: before(line, "failed").saturating_add(timed_out),
        skipped: before(line, "skipped"),
    }
}

/// `test result: ok. 5 passed; 0 failed; 1 ignored; …`, once for each test program.
pub fn cargo_test(output: &str) -> Counts {
    output.lines().filter(|line| line.starts_with("test result:")).fold(Counts::default(), |counts, line| {
        counts.add(Counts {
            passed: before(line, "passed"),
            failed: before(line, "failed"),
            skipped: before(line, "ignored"),
        })
    })
}

/// `# pass 5` or `ℹ pass 5`, once for each run of `node --test`.
pub fn node(output: &str) -> Counts {
    let sum = |name: &str| {
        output
            .lines()
            .filter_map(|line| {
                line.trim().strip_prefix(['#', 'ℹ'])?.trim().strip_prefix(name)?.trim().parse().ok()
            })
            .fold(0_u32, u32::saturating_add)
    };
    Counts {
        passed: sum("pass "),
        failed: sum("fail ").saturating_add(sum("cancelled ")),
        skipped: sum("skipped ").saturating_add(sum("todo ")),
    }
}

/// The totals of a JUnit report.
pub fn junit(report: &str) -> Counts {
    let sum = |name: &str| {
        let key = format!(" {name}=\"");
        report
            .split('<')
            .filter(|tag| tag.starts_with("testsuite "))
            .filter_map(|tag| tag.split_once(&key)?.1.split('"').next()?.parse::<u32>().ok())
            .fold(0, u32::saturating_add)
    };
    let failed = sum("failures").saturating_add(sum("errors"));
    let skipped = sum("skipped").saturating_add(sum("disabled"));
    Counts { passed: sum("tests").saturating_sub(failed).saturating_sub(skipped), failed, skipped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nextest_is_counted() {
        let text = "    Starting 46 tests\n     Summary [   0.123s] 45 tests run: 42 passed (1 slow), 1 failed, 2 timed out, 3 skipped\nerror: test run failed\n";
        assert_eq!(nextest(text), Counts { passed: 42, failed: 3, skipped: 3 });
        assert_eq!(nextest("error: could not compile"), Counts::default());
    }

    #[test]
    fn cargo_test_is_counted_over_all_programs() {
        let text = "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured\n\
                    test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured\n";
        assert_eq!(cargo_test(text), Counts { passed: 7, failed: 3, skipped: 1 });
    }

    #[test]
    fn node_is_counted_in_both_of_its_formats() {
        let tap = "# tests 4\n# pass 2\n# fail 1\n# cancelled 0\n# skipped 1\n# todo 0\n";
        let spec = "ℹ tests 3\nℹ pass 3\nℹ fail 0\nℹ cancelled 1\nℹ skipped 0\nℹ todo 0\n";
        assert_eq!(node(tap), Counts { passed: 2, failed: 1, skipped: 1 });
        assert_eq!(node(spec), Counts { passed: 3, failed: 1, skipped: 0 });
    }

    #[test]
    fn a_junit_report_is_counted_once() {
        let report = r#"<?xml version="1.0"?><testsuites tests="9" failures="2" errors="1"><testsuite name="a" disabled="0" errors="1" failures="2" skipped="1" tests="9"><testcase/></testsuite></testsuites>"#;
        assert_eq!(junit(report), Counts { passed: 5, failed: 3, skipped: 1 });
    }

    #[test]
    fn a_runner_that_failed_or_ran_nothing_is_never_green() {
        let none = Counts::default();
        assert_eq!(none.judged(true).failed, 1);
        assert_eq!(none.judged(false).failed, 1);
        let fine = Counts { passed: 3, failed: 0, skipped: 0 };
        assert_eq!(fine.judged(true), fine);
        assert_eq!(fine.judged(false).failed, 1);
        let red = Counts { passed: 3, failed: 2, skipped: 0 };
        assert_eq!(red.judged(false), red, "a failed test is not counted twice");
    }
}
