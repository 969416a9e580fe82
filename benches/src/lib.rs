//! What the benchmarks share: documents of a known size, and a way to time contenders side by side.
#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "a benchmark may stop at the first surprise")]

pub mod documents;
pub mod naive;

use std::fmt::Write as _;
use std::hint::black_box;

use rustix::time::{ClockId, clock_gettime};

/// One way to do a job.
pub struct Contender<'a> {
    name: &'static str,
    note: &'static str,
    job: Box<dyn FnMut() + 'a>,
}

/// A contender; what its job returns is kept from being optimised away.
pub fn contender<'a, T>(name: &'static str, mut job: impl FnMut() -> T + 'a) -> Contender<'a> {
    Contender { name, note: "", job: Box::new(move || drop(black_box(job()))) }
}

impl Contender<'_> {
    /// Says where this one does another job than the others.
    #[must_use]
    pub fn note(mut self, note: &'static str) -> Self {
        self.note = note;
        self
    }
}

/// How to print.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A table for each case, at once.
    Text,
    /// One object a line, at once.
    Json,
    /// One row a job, at the end.
    Markdown,
}

/// What a benchmark found, printed as the arguments say: `--json` gives a line for each contender, `--markdown` a row for
/// each job, and neither gives tables to read. Other arguments are parts of the names of the jobs or sizes that run.
pub struct Report {
    form: Form,
    wanted: Vec<String>,
    group: String,
    cases: Vec<Case>,
}

struct Case {
    name: String,
    group: String,
    unit: &'static str,
    rows: Vec<Row>,
}

struct Row {
    name: &'static str,
    note: &'static str,
    figure: f64,
    /// To the first row.
    ratio: f64,
}

impl Report {
    /// Reads the arguments of the process.
    #[expect(clippy::new_without_default, reason = "it reads the arguments")]
    pub fn new() -> Report {
        let has = |flag: &str| std::env::args().any(|argument| argument == flag);
        let form = match (has("--json"), has("--markdown")) {
            (true, _) => Form::Json,
            (_, true) => Form::Markdown,
            _ => Form::Text,
        };
        let wanted = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
        Report { form, wanted, group: String::new(), cases: Vec::new() }
    }

    fn wants(&self, case: &str) -> bool {
        let name = format!("{}: {case}", self.group);
        self.wanted.iter().all(|part| name.contains(part))
    }

    /// Starts a group of cases: a size.
    pub fn group(&mut self, name: String) {
        if self.form == Form::Text {
            println!("\n== {name}\n");
        }
        self.group = name;
    }

    /// Runs the contenders in turn, round after round. What counts is the processor time of one call, so that other
    /// programs cost nothing, and its ratio to the first contender, round by round, so that a machine that is slow for a
    /// while slows all of them; of both the median.
    pub fn compare(&mut self, name: &str, mut contenders: Vec<Contender<'_>>) {
        const ROUNDS: usize = 15;
        const SLOT: f64 = 40e3;
        /// Who takes longer for one call is timed once.
        const SLOW: f64 = 1e6;
        if !self.wants(name) {
            return;
        }
        let mut times: Vec<Vec<f64>> = Vec::new();
        let mut repeats: Vec<u32> = Vec::new();
        for contender in &mut contenders {
            let first = timed(contender, 1);
            let slow = first > SLOW;
            times.push(if slow { vec![first] } else { Vec::new() });
            repeats.push(if slow { 0 } else { (SLOT / timed(contender, 1).max(0.02)).clamp(1.0, 1e6) as u32 });
        }
        for _ in 0..ROUNDS {
            for ((contender, repeats), times) in contenders.iter_mut().zip(&repeats).zip(&mut times) {
                if *repeats > 0 {
                    times.push(timed(contender, *repeats) / f64::from(*repeats));
                }
            }
        }
        let first = times.first().cloned().unwrap_or_default();
        let rows = contenders.iter().zip(&times).map(|(contender, times)| {
            let ratios: Vec<f64> = times.iter().zip(&first).map(|(own, first)| own / first).collect();
            Row { name: contender.name, note: contender.note, figure: median(times), ratio: median(&ratios) }
        });
        let rows = rows.collect();
        self.take(name, "µs", rows);
    }

    /// Takes figures that were found in another way, each with its name and a note.
    pub fn figures(&mut self, name: &str, unit: &'static str, figures: &[(&'static str, f64, &'static str)]) {
        if !self.wants(name) {
            return;
        }
        let first = figures.first().map_or(1.0, |(_, first, _)| *first);
        let row = |(name, figure, note): &(&'static str, f64, &'static str)| Row {
            name,
            note,
            figure: *figure,
            ratio: figure / first,
        };
        self.take(name, unit, figures.iter().map(row).collect());
    }

    fn take(&mut self, name: &str, unit: &'static str, rows: Vec<Row>) {
        let case = Case { name: name.to_owned(), group: self.group.clone(), unit, rows };
        match self.form {
            Form::Text => print!("{}", case.text()),
            Form::Json => print!("{}", case.json()),
            Form::Markdown => {}
        }
        self.cases.push(case);
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if self.form == Form::Markdown {
            print!("{}", markdown(&self.cases));
        }
    }
}

impl Case {
    fn text(&self) -> String {
        let mut out = format!("{}\n", self.name);
        for Row { name, note, figure, ratio } in &self.rows {
            let line = format!("  {name:<46} {figure:>11.2} {}  {ratio:>7.2}  {note}", self.unit);
            let _ = writeln!(out, "{}", line.trim_end());
        }
        out
    }

    fn json(&self) -> String {
        let line = |row: &Row| {
            let object = serde_json::json!({
                "case": self.name, "group": self.group, "contender": row.name, "unit": self.unit,
                "figure": row.figure, "ratio": row.ratio, "note": row.note,
            });
            format!("{object}\n")
        };
        self.rows.iter().map(line).collect()
    }
}

/// A row for each job and way of confmesh to do it: its time in every group, beside the first contender, and the others in
/// the last group.
fn markdown(cases: &[Case]) -> String {
    let mut groups: Vec<&str> = cases.iter().map(|case| case.group.as_str()).collect();
    groups.dedup();
    let mut out = String::new();
    let _ = writeln!(out, "| job | {} | ratio to |\n|---|{}---|", groups.join(" | "), "---|".repeat(groups.len()));
    let mut done: Vec<(&str, &str)> = Vec::new();
    for case in cases {
        for row in case.rows.iter().filter(|row| row.name.starts_with("confmesh")) {
            if done.contains(&(&case.name, row.name)) {
                continue;
            }
            done.push((&case.name, row.name));
            let of_group = |group: &str| cases.iter().find(|other| other.group == group && other.name == case.name);
            let cells = groups.iter().map(|group| {
                let found = of_group(group).and_then(|case| case.rows.iter().find(|other| other.name == row.name));
                found.map_or_else(String::new, |row| format!("{} ({:.2})", rounded(row.figure, case.unit), row.ratio))
            });
            let cells: Vec<String> = cells.collect();
            let widest = groups.iter().filter_map(|group| of_group(group)).next_back().unwrap_or(case);
            let (first, others) = widest.rows.split_first().expect("a case has contenders");
            let others = others.iter().filter(|other| !other.name.starts_with("confmesh"));
            let others: String = others.map(|other| format!("; {} {:.2}", other.name, other.ratio)).collect();
            let way = row.name.trim_start_matches("confmesh").trim_start_matches([',', ' ']);
            let job = if way.is_empty() { case.name.clone() } else { format!("{}: {way}", case.name) };
            let _ = writeln!(out, "| {job} | {} | {}{others} |", cells.join(" | "), first.name);
        }
    }
    out
}

fn rounded(figure: f64, unit: &str) -> String {
    match unit {
        "µs" if figure >= 10_000.0 => format!("{:.0} ms", figure / 1e3),
        "µs" if figure >= 1_000.0 => format!("{:.1} ms", figure / 1e3),
        _ if figure >= 10.0 => format!("{figure:.0} {unit}"),
        _ => format!("{figure:.1} {unit}"),
    }
}

/// The processor time of so many calls, in microseconds.
fn timed(contender: &mut Contender<'_>, repeats: u32) -> f64 {
    let start = clock_gettime(ClockId::ProcessCPUTime);
    for _ in 0..repeats {
        (contender.job)();
    }
    let spent = clock_gettime(ClockId::ProcessCPUTime) - start;
    spent.tv_sec as f64 * 1e6 + spent.tv_nsec as f64 / 1e3
}

/// The middle of some figures.
pub fn median(figures: &[f64]) -> f64 {
    percentile(figures, 50)
}

/// The figure that `percent` of all stay at or below.
pub fn percentile(figures: &[f64], percent: usize) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    *sorted.get(at).expect("there are figures")
}
