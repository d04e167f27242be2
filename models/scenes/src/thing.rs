//! What a scene is made of.

use crate::rng::hash;

/// One in this many item–colour pairs is reserved for the held-out split.
const HELD_OUT_ONE_IN: u64 = 5;

macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The English word for it, lower case.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Its position in [`Self::ALL`].
            #[must_use]
            pub const fn index(self) -> usize {
                self as usize
            }
        }
    };
}

vocabulary! {
    /// The item kinds; each has a silhouette of its own.
    Kind {
        /// A round fruit with a stalk and a leaf.
        Apple = "apple",
        /// A crescent.
        Banana = "banana",
        /// A fruit that is wide below.
        Pear = "pear",
        /// A lying oval with a tip at either end.
        Lemon = "lemon",
        /// A bunch of round grapes.
        Grapes = "grapes",
        /// Two cherries on one stalk.
        Cherry = "cherry",
        /// A root that tapers downwards, with leaves.
        Carrot = "carrot",
        /// A loaf with cuts.
        Bread = "bread",
        /// A cake with icing and candles.
        Cake = "cake",
        /// A cup with a handle.
        Mug = "mug",
        /// A tall vessel with a neck.
        Bottle = "bottle",
        /// A drink carton with a gable top.
        Carton = "carton",
        /// A tall vessel with a spout and a handle.
        Jug = "jug",
        /// A low round pot with a spout, a lid and a handle.
        Teapot = "teapot",
        /// A ball with a band.
        Ball = "ball",
        /// A stuffed bear with round ears.
        Teddy = "teddy",
        /// A diamond with a tail.
        Kite = "kite",
        /// A car from the side.
        Car = "car",
        /// A drum with two sticks.
        Drum = "drum",
        /// A rocket with fins.
        Rocket = "rocket",
        /// A bath duck.
        Duck = "duck",
        /// A hat with a brim.
        Hat = "hat",
        /// A low shoe with a light sole.
        Shoe = "shoe",
        /// A boot with a tall shaft and a heel.
        Boot = "boot",
        /// A sock with a light cuff and toe.
        Sock = "sock",
        /// A glove with spread fingers.
        Glove = "glove",
        /// A hammer.
        Hammer = "hammer",
        /// A pair of scissors.
        Scissors = "scissors",
        /// A key.
        Key = "key",
        /// A torch; it can shine.
        Torch = "torch",
        /// A hand brush with bristles below.
        Brush = "brush",
        /// A book; it can lie open.
        Book = "book",
        /// A vase with two handles.
        Vase = "vase",
        /// A plant in a pot; the colour is the pot's.
        Plant = "plant",
        /// A candle on a dish; it can burn.
        Candle = "candle",
        /// An alarm clock.
        Clock = "clock",
        /// A woven basket with an arched handle.
        Basket = "basket",
        /// A box; its flaps can stand open.
        Box = "box",
        /// A bag with handles; it can gape.
        Bag = "bag",
        /// A pan with a long handle.
        Pan = "pan",
        /// A bowl on a foot.
        Bowl = "bowl",
        /// A telephone; its screen can be on.
        Phone = "phone",
        /// A laptop; it can stand open.
        Laptop = "laptop",
        /// A guitar.
        Guitar = "guitar",
        /// A bell with a clapper.
        Bell = "bell",
        /// An umbrella; it can be open.
        Umbrella = "umbrella",
    }
}

vocabulary! {
    /// What an item is for; the recommendations ask by it.
    Category {
        /// Fruit.
        Fruit = "fruit",
        /// Something else to eat.
        Food = "food",
        /// Something to drink from.
        Drink = "drink",
        /// Something to play with.
        Toy = "toy",
        /// Something to wear.
        Wear = "wear",
        /// Something to work with.
        Tool = "tool",
        /// Anything else; no recommendation asks for it.
        Other = "thing",
    }
}

vocabulary! {
    /// What an item's surface looks like; its pattern is always of a lighter or darker tone of the item's own colour.
    Finish {
        /// One tone.
        Plain = "plain",
        /// Stripes.
        Striped = "striped",
        /// Dots.
        Dotted = "dotted",
        /// Crossing lines.
        Checked = "checked",
        /// Shade and a highlight.
        Shiny = "shiny",
    }
}

vocabulary! {
    /// The colours of items.
    Colour {
        /// Red.
        Red = "red",
        /// Orange.
        Orange = "orange",
        /// Yellow.
        Yellow = "yellow",
        /// Green.
        Green = "green",
        /// Blue.
        Blue = "blue",
        /// Purple.
        Purple = "purple",
        /// White.
        White = "white",
        /// Black.
        Black = "black",
    }
}

vocabulary! {
    /// Where an item lies.
    Place {
        /// On the wall shelf.
        Shelf = "shelf",
        /// On the table.
        Table = "table",
        /// On the floor.
        Floor = "floor",
    }
}

vocabulary! {
    /// The room; its wall pattern shows in every view.
    Room {
        /// Tiles.
        Kitchen = "kitchen",
        /// Vertical stripes.
        Lounge = "lounge",
        /// Dots.
        Bedroom = "bedroom",
        /// Planks.
        Workshop = "workshop",
        /// Narrow upright stripes of uneven width, like the backs of books.
        Study = "study",
        /// Small checks.
        Bathroom = "bathroom",
    }
}

impl Kind {
    /// What it is for.
    #[must_use]
    pub const fn category(self) -> Category {
        match self {
            Self::Apple | Self::Banana | Self::Pear | Self::Lemon | Self::Grapes | Self::Cherry => Category::Fruit,
            Self::Carrot | Self::Bread | Self::Cake => Category::Food,
            Self::Mug | Self::Bottle | Self::Carton | Self::Jug | Self::Teapot => Category::Drink,
            Self::Ball | Self::Teddy | Self::Kite | Self::Car | Self::Drum | Self::Rocket | Self::Duck => Category::Toy,
            Self::Hat | Self::Shoe | Self::Boot | Self::Sock | Self::Glove => Category::Wear,
            Self::Hammer | Self::Scissors | Self::Key | Self::Torch | Self::Brush => Category::Tool,
            _ => Category::Other,
        }
    }

    /// The words for its two states, the inactive one first; none for a kind that has but one.
    #[must_use]
    pub const fn states(self) -> Option<[&'static str; 2]> {
        match self {
            Self::Book | Self::Box | Self::Umbrella | Self::Laptop | Self::Bag => Some(["closed", "open"]),
            Self::Candle | Self::Torch | Self::Phone => Some(["off", "on"]),
            _ => None,
        }
    }
}

impl Colour {
    /// Its sRGB value before light and noise.
    #[must_use]
    pub const fn rgb(self) -> [u8; 3] {
        match self {
            Self::Red => [214, 32, 36],
            Self::Orange => [242, 132, 22],
            Self::Yellow => [246, 218, 40],
            Self::Green => [36, 150, 58],
            Self::Blue => [38, 84, 208],
            Self::Purple => [138, 50, 166],
            Self::White => [244, 244, 240],
            Self::Black => [34, 34, 38],
        }
    }
}

/// One thing that a view can show.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Thing {
    /// A movable item.
    Item {
        /// What it is.
        kind: Kind,
        /// Its colour.
        colour: Colour,
        /// What its surface looks like.
        finish: Finish,
        /// Whether it is open or gives light; false for a kind without states.
        active: bool,
    },
    /// The standing lamp.
    Lamp {
        /// Whether it gives light.
        on: bool,
    },
    /// The stove.
    Stove {
        /// Whether it burns.
        on: bool,
    },
    /// The door.
    Door {
        /// Whether it stands open.
        open: bool,
    },
    /// The cat.
    Cat,
    /// A person.
    Person,
}

/// Whether the pair appears in the held-out split only.
#[must_use]
pub fn is_held_out(kind: Kind, colour: Colour) -> bool {
    hash(format!("{} {}", colour.word(), kind.word()).as_bytes()).is_multiple_of(HELD_OUT_ONE_IN)
}
