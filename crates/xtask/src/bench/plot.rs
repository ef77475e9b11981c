//! Plots as SVG, by a few lines of our own.

use std::fmt::Write as _;

/// A line of a plot: its name and its points.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// One plot among several in a picture.
#[derive(Debug)]
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) lines: Vec<Line>,
}

const COLOURS: [&str; 4] = ["#0b7285", "#e8590c", "#9c36b5", "#5c940d"];
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 180.0;
/// Room for the numbers at the left and below, and for the title above.
const LEFT: f64 = 56.0;
const BELOW: f64 = 22.0;
const ABOVE: f64 = 24.0;
const LEGEND: f64 = 26.0;
const COLUMNS: usize = 2;

/// A picture of panels, two in a row; lines of one name have one colour.
pub(super) fn picture(title: &str, panels: &[Panel]) -> String {
    let rows = panels.len().div_ceil(COLUMNS);
    let (width, height) = (WIDTH * COLUMNS as f64, HEIGHT * rows as f64 + 2.0 * LEGEND);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    text(&mut svg, 10.0, 18.0, "start", &format!("font-weight=\"bold\">{}", escaped(title)));
    let names = names(panels);
    legend(&mut svg, &names);
    for (index, panel) in panels.iter().enumerate() {
        let x = WIDTH * (index % COLUMNS) as f64;
        let y = HEIGHT * (index / COLUMNS) as f64 + 2.0 * LEGEND;
        draw(&mut svg, panel, &names, x, y);
    }
    svg.push_str("</svg>\n");
    svg
}

fn names(panels: &[Panel]) -> Vec<&str> {
    let mut names = Vec::new();
    for line in panels.iter().flat_map(|panel| &panel.lines) {
        if !names.contains(&line.name.as_str()) {
            names.push(line.name.as_str());
        }
    }
    names
}

fn colour(names: &[&str], name: &str) -> &'static str {
    let index = names.iter().position(|other| *other == name).unwrap_or(0);
    COLOURS[index % COLOURS.len()]
}

fn legend(svg: &mut String, names: &[&str]) {
    for (index, name) in names.iter().enumerate() {
        let x = 10.0 + 110.0 * index as f64;
        let fill = colour(names, name);
        push(
            svg,
            &format!("<rect x=\"{x}\" y=\"29\" width=\"10\" height=\"10\" fill=\"{fill}\"/>"),
        );
        text(svg, x + 14.0, 38.0, "start", &format!(">{}", escaped(name)));
    }
}

fn draw(svg: &mut String, panel: &Panel, names: &[&str], x: f64, y: f64) {
    let (left, right) = (x + LEFT, x + WIDTH - 12.0);
    let (top, bottom) = (y + ABOVE, y + HEIGHT - BELOW);
    text(svg, left, y + 14.0, "start", &format!(">{}", escaped(&panel.title)));
    let points = || panel.lines.iter().flat_map(|line| &line.points);
    let x_max = points().map(|p| p.0).fold(f64::MIN_POSITIVE, f64::max);
    let x_min = points().map(|p| p.0).fold(x_max, f64::min);
    let y_max = points().map(|p| p.1).fold(f64::MIN_POSITIVE, f64::max) * 1.05;
    for step in 0..=2 {
        let part = f64::from(step) / 2.0;
        let at = bottom - (bottom - top) * part;
        push(svg, &format!("<path d=\"M{left} {at:.1}H{right}\" stroke=\"#ddd\"/>"));
        text(svg, left - 4.0, at + 4.0, "end", &format!(">{}", super::page::number(y_max * part)));
        let across = left + (right - left) * part;
        let label = super::page::number(x_min + (x_max - x_min) * part);
        text(svg, across, bottom + 14.0, "middle", &format!(">{label}"));
    }
    let place = |(px, py): &(f64, f64)| {
        let range = if x_max > x_min { x_max - x_min } else { 1.0 };
        let across = left + (right - left) * (px - x_min) / range;
        (across, bottom - (bottom - top) * py / y_max)
    };
    for line in &panel.lines {
        let stroke = colour(names, &line.name);
        let mut path = String::new();
        for (index, (px, py)) in line.points.iter().map(place).enumerate() {
            let letter = if index == 0 { 'M' } else { 'L' };
            // Writing to a string cannot fail.
            write!(path, "{letter}{px:.1} {py:.1}").ok();
            push(
                svg,
                &format!("<circle cx=\"{px:.1}\" cy=\"{py:.1}\" r=\"2\" fill=\"{stroke}\"/>"),
            );
        }
        let style = format!("fill=\"none\" stroke=\"{stroke}\" stroke-width=\"1.5\"");
        push(svg, &format!("<path d=\"{path}\" {style}/>"));
    }
}

fn push(svg: &mut String, element: &str) {
    svg.push_str(element);
    svg.push('\n');
}

/// A text; `rest` is what follows its position up to its end.
fn text(svg: &mut String, x: f64, y: f64, anchor: &str, rest: &str) {
    push(svg, &format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {rest}</text>"));
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every element is closed, and no number is missing.
    fn check(svg: &str) {
        let mut open = Vec::new();
        for tag in svg.split('<').skip(1) {
            let (tag, _) = tag.split_once('>').expect("a tag ends");
            let name = tag.split([' ', '/']).find(|word| !word.is_empty()).expect("a name");
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name));
            } else if !tag.ends_with('/') {
                open.push(name);
            }
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        }
        assert!(open.is_empty(), "{open:?}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn pictures_are_well_formed() {
        let line = |name: &str, points: &[(f64, f64)]| Line {
            name: name.to_owned(),
            points: points.to_vec(),
        };
        let panels = [
            Panel {
                title: "a < b & c".into(),
                lines: vec![line("one", &[(0.0, 1.0), (1.0, 5.0)]), line("two", &[(0.5, 0.0)])],
            },
            Panel { title: "nothing".into(), lines: vec![line("one", &[])] },
            Panel { title: "zero".into(), lines: vec![line("one", &[(0.0, 0.0)])] },
        ];
        let svg = picture("all", &panels);
        check(&svg);
        assert!(svg.contains("a &lt; b &amp; c"));
    }
}
