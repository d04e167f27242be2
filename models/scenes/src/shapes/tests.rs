//! What holds of every drawing: it is told from every other at the smallest size, and its colour fills much of it.

use super::{Dress, Frame, draw};
use crate::canvas::{Canvas, Optics, Paint, Spot};
use crate::rng::Rng;
use crate::thing::{Colour, Finish, Kind, Thing};

/// Smallest side at which a thing is asked about, pixels.
const SIDE: usize = 14;
const GROUND: [u8; 3] = [150, 128, 104];
const WHOLE: Frame = Frame { cx: 0.5, cy: 0.5, half_w: 0.5, half_h: 0.5, mirrored: false };

/// Every kind in each of its states.
fn forms() -> Vec<(Kind, bool)> {
    let states = |&kind: &Kind| core::iter::once((kind, false)).chain(kind.states().map(|_| (kind, true)));
    Kind::ALL.iter().flat_map(states).collect()
}

fn paint(canvas: &mut Canvas, (kind, active): (Kind, bool), colour: Colour) {
    let thing = Thing::Item { kind, colour, finish: Finish::Plain, active };
    draw(canvas, WHOLE, thing, &Dress::draw(&mut Rng::new(1)));
}

fn picture(form: (Kind, bool), colour: Colour) -> Vec<u8> {
    let mut canvas = Canvas::new(SIDE, SIDE).unwrap();
    canvas.rectangle(0.0, 0.0, 1.0, 1.0, GROUND);
    paint(&mut canvas, form, colour);
    canvas.finish(&Optics::none(), &mut Rng::new(1)).rgb
}

fn apart(one: &[u8], other: &[u8]) -> u32 {
    one.iter().zip(other).map(|(a, b)| u32::from(a.abs_diff(*b))).sum()
}

#[test]
fn no_two_kinds_or_states_look_alike() {
    const APART_MIN: f32 = 11.0;
    for &colour in Colour::ALL {
        let drawn: Vec<_> = forms().into_iter().map(|form| (form, picture(form, colour))).collect();
        for (i, (a, one)) in drawn.iter().enumerate() {
            for (b, other) in &drawn[i + 1..] {
                let apart = apart(one, other) as f32 / one.len() as f32;
                assert!(apart > APART_MIN, "{colour:?} {a:?} and {b:?} differ by {apart} grey levels");
            }
        }
    }
}

#[test]
fn the_colour_fills_much_of_every_silhouette() {
    const SHARE_MIN: f32 = 0.3;
    for form in forms() {
        let mut ids = Canvas::identifying(SIDE, SIDE).unwrap();
        ids.mark(9);
        paint(&mut ids, form, Colour::Red);
        assert!(ids.ids().iter().all(|&id| id == 0 || id == 9));
        let painted = ids.ids().iter().filter(|&&id| id == 9).count();
        // What turns from red to blue is body; the rim turns by less, details not at all.
        let (red, blue) = (picture(form, Colour::Red), picture(form, Colour::Blue));
        let whole = apart(&Colour::Red.rgb(), &Colour::Blue.rgb());
        let body = red.chunks_exact(3).zip(blue.chunks_exact(3)).filter(|(a, b)| 5 * apart(a, b) > 3 * whole).count();
        let share = body as f32 / painted as f32;
        assert!(share > SHARE_MIN, "{form:?} shows its colour on {share} of its area");
    }
}

#[test]
fn patterns_leave_two_thirds_of_the_ground() {
    let spot = Spot { cx: 0.5, cy: 0.5, half_w: 0.05, half_h: 0.05 };
    for finish in [Finish::Striped, Finish::Dotted, Finish::Checked] {
        for phase in [0.0, 0.1, 0.25, 0.55, 0.9] {
            let mut canvas = Canvas::new(200, 200).unwrap();
            let ground = Colour::Green.rgb();
            canvas.rectangle(0.0, 0.0, 1.0, 1.0, Paint::surface(ground, finish, spot, phase, 2.0));
            let rgb = canvas.finish(&Optics::none(), &mut Rng::new(1)).rgb;
            let kept = rgb.chunks_exact(3).filter(|&p| p == ground).count() as f32 / 40_000.0;
            assert!((0.64..0.76).contains(&kept), "{finish:?} at {phase} leaves {kept}");
        }
    }
}
