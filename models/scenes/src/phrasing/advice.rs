//! Requests for advice that depends on what the cameras show.

pub(super) const FRUIT: [&str; 9] = [
    "which fruit could I eat?",
    "I am hungry, which fruit should I take?",
    "recommend me a fruit from what is here",
    "I want something healthy to eat, which fruit is there?",
    "what fruit would you take?",
    "suggest a fruit for me",
    "can you recommend a fruit?",
    "which fruit should I eat?",
    "which fruit would you recommend?",
];

pub(super) const FOOD: [&str; 9] = [
    "which food could I cook with?",
    "I want to cook, which food should I take?",
    "recommend me some food from what is here",
    "what food could I use for dinner?",
    "what food would you use?",
    "suggest some food for me",
    "can you recommend some food?",
    "which food should I cook with?",
    "which food would you recommend?",
];

pub(super) const DRINK: [&str; 9] = [
    "which drink should I take?",
    "I am thirsty, what should I take?",
    "recommend me something to drink from what is here",
    "what could I drink?",
    "what drink would you take?",
    "suggest something to drink",
    "can you recommend something to drink?",
    "which drink could I take?",
    "which drink would you recommend?",
];

pub(super) const TOY: [&str; 9] = [
    "which toy could the child play with?",
    "the child is bored, which toy should I give?",
    "recommend me a toy from what is here",
    "what could the child play with?",
    "what toy would you give the child?",
    "suggest a toy for the child",
    "can you recommend a toy?",
    "which toy should the child play with?",
    "which toy would you recommend?",
];

pub(super) const WEAR: [&str; 9] = [
    "what could I wear?",
    "I am cold, what should I wear?",
    "recommend me something to wear from what is here",
    "I want to go out, what should I put on?",
    "what would you wear?",
    "suggest something to wear",
    "can you recommend something to wear?",
    "what should I wear?",
    "what would you recommend to wear?",
];

pub(super) const TOOL: [&str; 9] = [
    "which tool could I use?",
    "I want to repair something, which tool should I take?",
    "recommend me a tool from what is here",
    "what tool is there for a small repair?",
    "what tool would you use?",
    "suggest a tool for me",
    "can you recommend a tool?",
    "which tool should I use?",
    "which tool would you recommend?",
];

pub(super) const FLOOR: [&str; 9] = [
    "what should I put away from the floor?",
    "what should I pick up from the floor?",
    "I want to tidy up, what should leave the floor?",
    "which thing would you put away from the floor?",
    "what would you pick up from the floor?",
    "which thing should not stay on the floor?",
    "I am tidying up, what is in the way on the floor?",
    "which thing should I pick up from the floor?",
    "what would you put away from the floor?",
];

pub(super) const LAMP: [&str; 9] = [
    "should I turn off the lamp?",
    "do I need to switch off the lamp before bed?",
    "would you turn off the lamp now?",
    "do you think I should turn off the lamp?",
    "is it better to switch off the lamp?",
    "should the lamp be turned off before I leave?",
    "do I have to turn off the lamp?",
    "do I need to turn off the lamp?",
    "should I switch off the lamp before bed?",
];

pub(super) const STOVE: [&str; 9] = [
    "should I turn off the stove?",
    "do I need to switch off the stove before I leave?",
    "would you turn off the stove now?",
    "do you think I should turn off the stove?",
    "is it better to switch off the stove?",
    "should the stove be turned off before bed?",
    "do I have to turn off the stove?",
    "do I need to turn off the stove?",
    "should I switch off the stove before I leave?",
];

pub(super) const DOOR: [&str; 9] = [
    "should I close the door?",
    "do I need to close the door before I leave?",
    "would you close the door now?",
    "do you think I should close the door?",
    "is it better to close the door?",
    "should the door be closed before bed?",
    "do I have to close the door?",
    "should I close the door now?",
    "do I need to close the door before bed?",
];
