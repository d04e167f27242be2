//! Questions about one item.

pub(super) const COLOUR: [&str; 10] = [
    "what colour {is} the {}?",
    "which colour {does} the {} have?",
    "what is the colour of the {}?",
    "tell me the colour of the {}",
    "do you know what colour the {} {is}?",
    "can you see the colour of the {}?",
    "I need to know the colour of the {}",
    "say which colour the {} {does} have",
    "tell me what colour the {} {is}",
    "which colour {is} the {}?",
];

pub(super) const PLACE: [&str; 10] = [
    "where {is} the {}?",
    "where can I find the {}?",
    "where did I leave the {}?",
    "I am looking for the {}, where {is} {it}?",
    "on what {is} the {} lying?",
    "do you know where the {} {is}?",
    "tell me where to find the {}",
    "I cannot find the {}, can you see {it}?",
    "where {is} the {} lying?",
    "tell me where the {} {is}",
];

pub(super) const OF_COLOUR: [&str; 10] = [
    "what is the {} thing?",
    "what is the {} object?",
    "which thing is {}?",
    "name the thing that is {}",
    "what do you see that is {}?",
    "which of the things is {}?",
    "tell me what the {} object is",
    "what {} thing can you see?",
    "name the {} thing",
    "which object is {}?",
];

pub(super) const ON_A_PLACE: [&str; 9] = [
    "what is on the {}?",
    "what is standing on the {}?",
    "which thing is on the {}?",
    "which object is standing on the {}?",
    "what do you see on the {}?",
    "tell me what is on the {}",
    "what did I leave on the {}?",
    "name the thing on the {}",
    "which object is on the {}?",
];

pub(super) const ON_THE_FLOOR: [&str; 9] = [
    "what is lying on the {}?",
    "what is on the {}?",
    "which thing is lying on the {}?",
    "which object is on the {}?",
    "what do you see on the {}?",
    "tell me what is lying on the {}",
    "what did I leave on the {}?",
    "which thing is on the {}?",
    "tell me what is on the {}",
];

pub(super) const STATE: [&str; 9] = [
    "is the {} {b} or {a}?",
    "tell me if the {} is {b} or {a}",
    "did I leave the {} {b} or {a}?",
    "do you know if the {} is {b} or {a}?",
    "can you see if the {} is {b} or {a}?",
    "is the {} {a} or {b}?",
    "I need to know if the {} is {b} or {a}",
    "the {}, is it {b} or {a}?",
    "tell me if I left the {} {b} or {a}",
];
