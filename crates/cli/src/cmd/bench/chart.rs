//! A bar chart as SVG: one bar a name, the shortest the best, numbers at their ends. It is readable on light and dark.

use std::fmt::Write;

const WIDTH: f64 = 640.0;
const LEFT: f64 = 140.0;
const RIGHT: f64 = 90.0;
const ROW: f64 = 30.0;

/// Draws bars with lengths as their numbers.
pub(super) fn svg(title: &str, bars: &[(&str, f64)]) -> String {
    let most = bars.iter().map(|b| b.1).fold(f64::MIN_POSITIVE, f64::max);
    let height = 56.0 + ROW * bars.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         <title>{0}</title>\n<style>text {{ fill: #3a3a3a }} @media (prefers-color-scheme: dark) {{ text {{ fill: #d8d8d8 }} }}</style>\n\
         <text x=\"12\" y=\"24\" font-weight=\"600\">{0}</text>\n",
        escaped(title)
    );
    for (i, (name, value)) in bars.iter().enumerate() {
        let y = 42.0 + ROW * i as f64;
        let long = (value / most * (WIDTH - LEFT - RIGHT)).max(1.0);
        let colour = ["#8a8f98", "#d9a441", "#e08c1a", "#4a7fb5"][i % 4];
        // A string takes whatever is written.
        let _ = writeln!(
            out,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{y:.0}\" width=\"{long:.1}\" height=\"20\" rx=\"2\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{:.0}\">{value:.1}</text>",
            LEFT - 10.0,
            y + 15.0,
            escaped(name),
            LEFT + long + 8.0,
            y + 15.0,
        );
    }
    out + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::svg;

    #[test]
    fn the_longest_bar_fills_the_room_and_names_are_escaped() {
        let text = svg("a < b", &[("one & two", 10.0), ("half", 5.0)]);
        assert!(text.contains("a &lt; b") && text.contains("one &amp; two"));
        assert!(text.contains("width=\"410.0\"") && text.contains("width=\"205.0\""), "{text}");
        assert!(text.ends_with("</svg>\n"));
    }
}
