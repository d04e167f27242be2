//! Questions about fixtures, the room and who is in it.

pub(super) const LAMP: [&str; 10] = [
    "is the lamp on or off?",
    "tell me if the lamp is on or off",
    "is the light of the lamp on or off?",
    "did I leave the lamp on or off?",
    "do you know if the lamp is on or off?",
    "can you see if the lamp is off or on?",
    "is the lamp off or on?",
    "tell me if the light of the lamp is on",
    "the lamp, is it on or off?",
    "do you know if the light of the lamp is on or off?",
];

pub(super) const STOVE: [&str; 10] = [
    "is the stove on or off?",
    "tell me if the stove is on or off",
    "is the oven on or off?",
    "did I leave the stove on or off?",
    "do you know if the stove is on or off?",
    "can you see if the oven is on or off?",
    "is the stove off or on?",
    "tell me if the oven is still on",
    "the stove, is it on or off?",
    "did I leave the oven on or off?",
];

pub(super) const DOOR: [&str; 10] = [
    "is the door open or closed?",
    "tell me if the door is open or closed",
    "did I leave the door open or closed?",
    "do you know if the door is open or closed?",
    "can you see if the door is closed?",
    "is the door closed or open?",
    "tell me if I left the door open",
    "is the door still open?",
    "the door, is it open or closed?",
    "can you see if the door is open or closed?",
];

pub(super) const PEOPLE: [&str; 10] = [
    "how many people are in the house?",
    "how many people are there in all?",
    "count the people in the house",
    "how many persons are there in the house?",
    "how many people do you see in all?",
    "tell me how many people are in the house",
    "can you count the people in the house?",
    "do you know how many people are here?",
    "how many persons are in the house?",
    "tell me how many people you see in all",
];

pub(super) const CAT: [&str; 9] = [
    "is there a cat anywhere?",
    "is the cat in the house?",
    "can you see a cat anywhere?",
    "do you see the cat anywhere?",
    "tell me if there is a cat in the house",
    "is the cat here anywhere?",
    "did the cat come into the house?",
    "is a cat anywhere in the house?",
    "do you see a cat in the house?",
];

pub(super) const ROOM: [&str; 10] = [
    "which room is this?",
    "what room am I in?",
    "in which room are you?",
    "what is the name of this room?",
    "which room do you see?",
    "can you say which room this is?",
    "what room are you in?",
    "do you know what room this is?",
    "tell me which room this is",
    "which room am I in?",
];
