//! Whom messages go to and what they say.

use crate::assistive::enumerate;
use crate::rng::Rng;

const NAMES: [&str; 60] = [
    "Anna", "Ben", "Carla", "David", "Emma", "Felix", "Grace", "Henry", "Ida", "Jonas", "Karen", "Leo", "Maria",
    "Noah", "Olga", "Paul", "Quinn", "Rosa", "Simon", "Tina", "Uwe", "Vera", "Walter", "Xenia", "Yusuf", "Zoe", "Amir",
    "Bella", "Chen", "Dora", "Elif", "Frank", "Gina", "Hugo", "Ines", "Jack", "Lena", "Marco", "Nina", "Oscar",
    "Peter", "Rita", "Sara", "Tom", "Ursula", "Victor", "Wanda", "Ali", "Bruno", "Clara", "Dan", "Eva", "Fatima",
    "George", "Hanna", "Ivan", "Julia", "Kim", "Lukas", "Mia",
];
const GOODS: [&str; 30] = [
    "milk",
    "bread",
    "butter",
    "cheese",
    "rice",
    "flour",
    "sugar",
    "coffee",
    "tea",
    "honey",
    "salt",
    "pasta",
    "onions",
    "carrots",
    "tomatoes",
    "eggs",
    "soap",
    "paper",
    "apples",
    "juice",
    "pepper",
    "oil",
    "beans",
    "fish",
    "yoghurt",
    "lemons",
    "potatoes",
    "batteries",
    "candles",
    "water",
];
const EVENTS: [&str; 16] = [
    "dinner",
    "lunch",
    "the meeting",
    "the party",
    "the concert",
    "the lesson",
    "the visit",
    "the match",
    "breakfast",
    "the walk",
    "the training",
    "the film",
    "the picnic",
    "the appointment",
    "the rehearsal",
    "the trip",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const HOURS: [&str; 10] = ["one", "two", "five", "six", "seven", "eight", "nine", "ten", "eleven", "noon"];
const NEWS: [&str; 26] = [
    "I will be late",
    "I am on my way",
    "I am at home",
    "the train is delayed",
    "the parcel has arrived",
    "the car is ready",
    "the key is under the mat",
    "I forgot my phone",
    "the doctor called",
    "the bus is full",
    "it is raining here",
    "I found the ring",
    "the cake is ready",
    "I lost my wallet",
    "the dog needs a walk",
    "the heating works again",
    "I will cook tonight",
    "the baby is asleep",
    "we are out of milk",
    "the taxi is waiting",
    "I cannot come today",
    "the plumber is here",
    "the shop is closed",
    "I booked the tickets",
    "the soup is getting cold",
    "we will meet at the station",
];
const GOODS_MAX: usize = 9;
const NAMES_MAX: usize = 4;
const NEWS_MAX: usize = 3;

/// One thing to say.
pub(super) fn content(rng: &mut Rng) -> String {
    match rng.below(6) {
        0 | 1 => (*rng.pick(&NEWS)).to_owned(),
        2 => format!("{} is at {}", rng.pick(&EVENTS), rng.pick(&HOURS)),
        3 => format!("{} moved to {}", rng.pick(&EVENTS), rng.pick(&DAYS)),
        4 => format!("I will come on {} at {}", rng.pick(&DAYS), rng.pick(&HOURS)),
        _ => format!("{} is cancelled on {}", rng.pick(&EVENTS), rng.pick(&DAYS)),
    }
}

fn goods(count: usize, rng: &mut Rng) -> String {
    let mut list = GOODS.to_vec();
    rng.shuffle(&mut list);
    enumerate(&list[..count.min(list.len())].iter().map(|&g| g.to_owned()).collect::<Vec<_>>())
}

/// A message: one thing to say, a shopping list, or several things.
pub(super) fn body(rng: &mut Rng) -> String {
    match rng.below(10) {
        0..=5 => content(rng),
        6 => format!("we need {}", goods(1 + rng.below(3), rng)),
        7 => format!("we need {}", goods(5 + rng.below(GOODS_MAX - 4), rng)),
        _ => enumerate(&(0..2 + rng.below(NEWS_MAX - 1)).map(|_| content(rng)).collect::<Vec<_>>()),
    }
}

/// Whom it goes to: at least one.
pub(super) fn people(rng: &mut Rng) -> Vec<String> {
    let count = if rng.chance(0.3) { 2 + rng.below(NAMES_MAX - 1) } else { 1 };
    let mut list = NAMES.to_vec();
    rng.shuffle(&mut list);
    list[..count].iter().map(|&n| n.to_owned()).collect()
}
