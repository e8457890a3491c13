//! A picture of a case: what the terminal told, what was true, and what was believed.

use std::fmt::Write as _;

use domain::whereabouts::{Standing, Story};

use super::case::{Case, Event, Told};

/// One fix, and what was believed after it.
struct Moment {
    /// Arrival, seconds.
    at: f64,
    source: String,
    /// Metres beyond the edge of the first fence.
    beyond: f64,
    /// How likely they were outside.
    chance: f64,
    /// How likely a phantom was.
    phantom: f64,
    standing: Standing,
}

const WIDTH: f64 = 1200.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
/// Top and height of the two panels.
const FIXES: (f64, f64) = (60.0, 300.0);
const BELIEF: (f64, f64) = (420.0, 180.0);
const HEIGHT: f64 = 670.0;
/// So far inside and outside the upper panel reaches, metres.
const INSIDE_M: f64 = 400.0;
const OUTSIDE_M: f64 = 900.0;

/// A colour for each source, told apart by the colour-blind too.
const COLOURS: [(&str, &str); 4] =
    [("gnss", "#0072b2"), ("wifi", "#009e73"), ("cell", "#cc79a7"), ("unknown", "#777777")];

/// The first fence of a case between two moments (seconds), as SVG.
pub(super) fn draw(case: &Case, from: f64, to: f64) -> anyhow::Result<String> {
    let (moments, events) = watch(case)?;
    let shown: Vec<&Moment> = moments.iter().filter(|moment| (from..=to).contains(&moment.at)).collect();
    let (Some(first), Some(last)) = (shown.first(), shown.last()) else {
        anyhow::bail!("no fix lies between {from} s and {to} s")
    };
    let (from, to) = (first.at, last.at.max(first.at + 1.0));
    let x = |at: f64| LEFT + (at.clamp(from, to) - from) / (to - from) * (WIDTH - LEFT - RIGHT);
    let y = |beyond: f64| {
        let share = (beyond.clamp(-INSIDE_M, OUTSIDE_M) + INSIDE_M) / (INSIDE_M + OUTSIDE_M);
        FIXES.0 + FIXES.1 * (1.0 - share)
    };
    let chance_y = |chance: f64| BELIEF.0 + BELIEF.1 * (1.0 - chance);

    let mut svg = String::new();
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"13\"><rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"16\">Case {}: metres beyond the edge of the fence, fix by fix; \
         below, what was believed</text>",
        escape(&case.id)
    )?;
    for (out, back) in outings(case) {
        if back >= from && out <= to {
            writeln!(
                svg,
                "<rect x=\"{:.1}\" y=\"{}\" width=\"{:.1}\" height=\"{}\" fill=\"#f0e442\" opacity=\"0.35\"/>",
                x(out),
                FIXES.0,
                (x(back) - x(out)).max(1.0),
                BELIEF.0 + BELIEF.1 - FIXES.0
            )?;
        }
    }
    axes(&mut svg, &y, &chance_y)?;
    hours(&mut svg, from, to, &x)?;
    for moment in &shown {
        let colour =
            COLOURS.iter().find(|(source, _)| *source == moment.source).map_or("#777777", |(_, colour)| *colour);
        let (cx, cy) = (x(moment.at), y(moment.beyond));
        writeln!(svg, "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"2.6\" fill=\"{colour}\" fill-opacity=\"0.75\"/>")?;
    }
    for (what, colour, value) in [
        ("phantom", "#d55e00", (|moment: &Moment| moment.phantom) as fn(&Moment) -> f64),
        ("outside", "#000000", |moment: &Moment| moment.chance),
    ] {
        let points: Vec<String> =
            shown.iter().map(|moment| format!("{:.1},{:.1}", x(moment.at), chance_y(value(moment)))).collect();
        let points = points.join(" ");
        writeln!(
            svg,
            "<polyline id=\"{what}\" points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.4\"/>"
        )?;
    }
    standings(&mut svg, &shown, &x)?;
    for event in events.iter().filter(|event| (from..=to).contains(&event.at)) {
        let (colour, label) = match event.event {
            "exit_confirmed" => ("#d00000", "confirmed"),
            "entered" => ("#007000", "returned"),
            _ => ("#e69f00", "suspected"),
        };
        writeln!(
            svg,
            "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{1}\" y2=\"{2}\" stroke=\"{colour}\" stroke-dasharray=\"4 3\">\
             <title>{label}: {3}</title></line>",
            x(event.at),
            FIXES.0,
            BELIEF.0 + BELIEF.1,
            escape(&event.why)
        )?;
    }
    legend(&mut svg)?;
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// Plays a case and looks at the belief after each fix.
fn watch(case: &Case) -> anyhow::Result<(Vec<Moment>, Vec<Event>)> {
    let (mut wearer, names) = case.begin()?;
    let (mut moments, mut events) = (Vec::new(), Vec::new());
    for (fix, at) in case.fixes.iter().filter_map(Told::fix) {
        events.extend(wearer.see(&fix).iter().filter_map(|turn| super::case::said(turn, &names, at)));
        let Some((zone, standing, chance)) = wearer.standings().next() else { continue };
        moments.push(Moment {
            at,
            source: fix.source.to_string(),
            beyond: zone.area.distance(fix.place).0,
            chance,
            phantom: wearer.stories().iter().filter(|(story, _)| is_phantom(*story)).map(|(_, share)| share).sum(),
            standing,
        });
    }
    Ok((moments, events))
}

const fn is_phantom(story: Story) -> bool {
    matches!(story, Story::Phantom | Story::PhantomWalks | Story::PhantomSlides)
}

/// When the wearer was really outside, seconds.
fn outings(case: &Case) -> Vec<(f64, f64)> {
    let mut outings = Vec::new();
    for truth in &case.truth {
        match (truth.event.as_str(), outings.last_mut()) {
            ("exit", _) => outings.push((truth.at, f64::INFINITY)),
            (_, Some((_, back))) => *back = truth.at,
            (_, None) => {}
        }
    }
    outings
}

fn axes(svg: &mut String, y: &dyn Fn(f64) -> f64, chance_y: &dyn Fn(f64) -> f64) -> std::fmt::Result {
    for beyond in [-400.0, -200.0, 0.0, 200.0, 400.0, 600.0, 800.0] {
        let (stroke, at) = (if beyond == 0.0 { "#000000" } else { "#dddddd" }, y(beyond));
        let right = WIDTH - RIGHT;
        writeln!(svg, "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"{stroke}\"/>")?;
        writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{beyond:.0} m</text>", LEFT - 6.0, at + 4.0)?;
    }
    for chance in [0.0, 0.5, 1.0] {
        let (at, right) = (chance_y(chance), WIDTH - RIGHT);
        writeln!(svg, "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#dddddd\"/>")?;
        let percent = 100.0 * chance;
        writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{percent:.0} %</text>", LEFT - 6.0, at + 4.0)?;
    }
    Ok(())
}

/// A mark every so often that there are no more than a dozen.
fn hours(svg: &mut String, from: f64, to: f64, x: &dyn Fn(f64) -> f64) -> std::fmt::Result {
    const STEPS: [f64; 7] = [300.0, 600.0, 1800.0, 3600.0, 3.0 * 3600.0, 6.0 * 3600.0, 24.0 * 3600.0];
    let step = STEPS.into_iter().find(|step| (to - from) / step <= 12.0).unwrap_or(STEPS[6]);
    let mut at = (from / step).ceil() * step;
    while at <= to {
        let (hour, minute) = ((at / 3600.0).floor(), (at % 3600.0 / 60.0).floor());
        let label = BELIEF.0 + BELIEF.1 + 18.0;
        writeln!(svg, "<text x=\"{:.1}\" y=\"{label}\" text-anchor=\"middle\">{hour:.0}:{minute:02.0}</text>", x(at))?;
        at += step;
    }
    Ok(())
}

/// A bar below that shows how they stood.
fn standings(svg: &mut String, shown: &[&Moment], x: &dyn Fn(f64) -> f64) -> std::fmt::Result {
    for pair in shown.windows(2) {
        let colour = match pair[0].standing {
            Standing::Inside => "#cfe8cf",
            Standing::Doubtful => "#ffe9a8",
            Standing::Suspected => "#f5b041",
            Standing::Confirmed => "#d00000",
            Standing::Returned => "#007000",
        };
        let (left, width) = (x(pair[0].at), x(pair[1].at) - x(pair[0].at));
        let top = BELIEF.0 + BELIEF.1 + 26.0;
        writeln!(
            svg,
            "<rect x=\"{left:.1}\" y=\"{top}\" width=\"{width:.2}\" height=\"10\" fill=\"{colour}\" shape-rendering=\"crispEdges\"/>"
        )?;
    }
    Ok(())
}

fn legend(svg: &mut String) -> std::fmt::Result {
    let marks = [
        ("#0072b2", "satellite fix"),
        ("#009e73", "wifi"),
        ("#cc79a7", "cell"),
        ("#f0e442", "really outside"),
        ("#000000", "chance of being outside"),
        ("#d55e00", "chance that the receiver shows a phantom"),
        ("#e69f00", "suspected"),
        ("#d00000", "confirmed"),
        ("#007000", "returned"),
    ];
    let mut left = LEFT;
    for (colour, label) in marks {
        let y = HEIGHT - 14.0;
        writeln!(svg, "<rect x=\"{left:.0}\" y=\"{:.0}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>", y - 9.0)?;
        writeln!(svg, "<text x=\"{:.0}\" y=\"{y:.0}\">{label}</text>", left + 14.0)?;
        let letters = u32::try_from(label.chars().count()).unwrap_or(0);
        left += 30.0 + 6.6 * f64::from(letters);
    }
    Ok(())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
