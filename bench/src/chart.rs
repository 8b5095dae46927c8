//! A record as a picture: a line an engine, a dot a program at its multiple of native code, and the mean beside them.
//!
//! Drawn from the file that `--record` wrote, so that the picture never says what was not measured.

use std::fmt::Write;

use serde_json::Value;

use crate::geomean;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 130.0;
const RIGHT: f64 = 70.0;
const TOP: f64 = 62.0;
const ROW: f64 = 34.0;

/// An engine's multiples of native, by program.
struct Line {
    name: String,
    multiples: Vec<(String, f64)>,
}

/// Draws the record in one file into another.
///
/// # Errors
/// What is wrong with either, in words.
pub fn draw(record: &str, out: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(record).map_err(|e| format!("{record}: {e}"))?;
    let value: Value = serde_json::from_str(&text).map_err(|e| format!("{record}: {e}"))?;
    let lines =
        lines(&value).ok_or_else(|| format!("{record}: no programs with figures beside native ones"))?;
    let machine = value["machine"].as_str().unwrap_or("a machine that the record does not name");
    std::fs::write(out, svg(&lines, machine)).map_err(|e| format!("{out}: {e}"))
}

fn lines(record: &Value) -> Option<Vec<Line>> {
    let programs = record["found"]["programs"].as_array().or_else(|| record["programs"].as_array())?;
    let mut lines: Vec<Line> = Vec::new();
    for program in programs.iter().filter(|p| p["name"] != "empty") {
        let name = program["name"].as_str()?;
        let Some(native) = program["ns"]["native"].as_f64().filter(|n| *n > 0.0) else { continue };
        for (engine, ns) in program["ns"].as_object()?.iter().filter(|e| e.0 != "native") {
            let multiple = (name.to_owned(), ns.as_f64()?.max(1e-3) / native);
            match lines.iter_mut().find(|l| l.name == *engine) {
                Some(line) => line.multiples.push(multiple),
                None => lines.push(Line { name: engine.clone(), multiples: vec![multiple] }),
            }
        }
    }
    let mean = |line: &Line| geomean(line.multiples.iter().map(|m| m.1));
    lines.sort_by(|a, b| mean(a).total_cmp(&mean(b)));
    (!lines.is_empty()).then_some(lines)
}

fn svg(lines: &[Line], machine: &str) -> String {
    let all = || lines.iter().flat_map(|l| &l.multiples).map(|m| m.1);
    let (least, most) = (all().fold(1.0, f64::min).log10(), all().fold(1.0, f64::max).log10());
    let room = (WIDTH - LEFT - RIGHT) / (most - least).max(0.1);
    let at = |multiple: f64| LEFT + (multiple.log10() - least) * room;
    let height = TOP + ROW * lines.len() as f64 + 34.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         <title>Run time in multiples of native code</title>\n\
         <style>text {{ fill: #3a3a3a }} .axis {{ stroke: #9aa0a8; stroke-width: .5 }} .small {{ font-size: 11px }} \
         @media (prefers-color-scheme: dark) {{ text {{ fill: #d8d8d8 }} }}</style>\n\
         <text x=\"12\" y=\"22\" font-weight=\"600\">Run time in multiples of native code (clang -O2), less is better</text>\n\
         <text x=\"12\" y=\"40\" class=\"small\">a dot a program, a bar their geometric mean; {}</text>\n",
        escaped(machine)
    );
    let bottom = height - 28.0;
    for tick in [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0] {
        let x = at(tick);
        if (LEFT..=WIDTH - RIGHT + 1.0).contains(&x) {
            // A string takes whatever is written, here and below.
            let _ = writeln!(
                out,
                "<line class=\"axis\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP:.0}\" y2=\"{bottom:.0}\"/>\
                 <text class=\"small\" x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{tick}</text>",
                bottom + 16.0
            );
        }
    }
    for (i, line) in lines.iter().enumerate() {
        let y = TOP + ROW * (i as f64 + 0.5);
        let ours = line.name.starts_with("skep");
        let colour = if ours { "#d98c1a" } else { "#6b7f99" };
        let mean = geomean(line.multiples.iter().map(|m| m.1));
        let (x, end) = (at(mean), WIDTH - RIGHT + 12.0);
        let weight = if ours { " font-weight=\"600\"" } else { "" };
        let _ = writeln!(
            out,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\"{weight}>{}</text>",
            LEFT - 12.0,
            y + 4.5,
            escaped(&line.name.replace('_', " "))
        );
        for (program, multiple) in &line.multiples {
            let _ = writeln!(
                out,
                "<circle cx=\"{:.1}\" cy=\"{y:.0}\" r=\"4\" fill=\"{colour}\" fill-opacity=\".45\"><title>{}: {multiple:.2}</title></circle>",
                at(*multiple),
                escaped(program)
            );
        }
        let _ = writeln!(
            out,
            "<rect x=\"{:.1}\" y=\"{:.0}\" width=\"4\" height=\"22\" rx=\"1\" fill=\"{colour}\"/>\
             <text x=\"{end:.0}\" y=\"{:.0}\"{weight}>{mean:.2}</text>",
            x - 2.0,
            y - 11.0,
            y + 4.5
        );
    }
    out + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_fastest_comes_first_and_programs_without_native_code_are_left_out() {
        let record = json!({"found": {"programs": [
            {"name": "empty", "ns": {"slow": 9.0, "fast": 9.0, "native": 9.0}},
            {"name": "one", "ns": {"slow": 40.0, "fast": 10.0, "native": 10.0}},
            {"name": "two", "ns": {"slow": 90.0, "fast": 40.0, "native": 10.0}},
            {"name": "three", "ns": {"slow": 90.0}},
        ]}});
        let lines = lines(&record).unwrap();
        assert_eq!(lines.iter().map(|l| l.name.as_str()).collect::<Vec<_>>(), ["fast", "slow"]);
        let text = svg(&lines, "a < b");
        assert!(text.contains(">2.00</text>") && text.contains(">6.00</text>"), "{text}");
        assert!(text.contains("a &lt; b") && text.matches("<circle").count() == 4);
    }

    #[test]
    fn a_record_of_something_else_is_refused() {
        assert!(lines(&json!({"found": [1]})).is_none());
    }
}
