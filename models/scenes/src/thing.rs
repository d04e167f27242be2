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
        /// A apple.
        Apple = "apple",
        /// A banana.
        Banana = "banana",
        /// A pear.
        Pear = "pear",
        /// A lemon.
        Lemon = "lemon",
        /// A grapes.
        Grapes = "grapes",
        /// A cherry.
        Cherry = "cherry",
        /// A carrot.
        Carrot = "carrot",
        /// A bread.
        Bread = "bread",
        /// A cake.
        Cake = "cake",
        /// A mug.
        Mug = "mug",
        /// A bottle.
        Bottle = "bottle",
        /// A carton.
        Carton = "carton",
        /// A jug.
        Jug = "jug",
        /// A teapot.
        Teapot = "teapot",
        /// A ball.
        Ball = "ball",
        /// A teddy.
        Teddy = "teddy",
        /// A kite.
        Kite = "kite",
        /// A car.
        Car = "car",
        /// A drum.
        Drum = "drum",
        /// A rocket.
        Rocket = "rocket",
        /// A duck.
        Duck = "duck",
        /// A hat.
        Hat = "hat",
        /// A shoe.
        Shoe = "shoe",
        /// A boot.
        Boot = "boot",
        /// A sock.
        Sock = "sock",
        /// A glove.
        Glove = "glove",
        /// A hammer.
        Hammer = "hammer",
        /// A scissors.
        Scissors = "scissors",
        /// A key.
        Key = "key",
        /// A torch.
        Torch = "torch",
        /// A brush.
        Brush = "brush",
        /// A book.
        Book = "book",
        /// A vase.
        Vase = "vase",
        /// A plant.
        Plant = "plant",
        /// A candle.
        Candle = "candle",
        /// A clock.
        Clock = "clock",
        /// A basket.
        Basket = "basket",
        /// A box.
        Box = "box",
        /// A bag.
        Bag = "bag",
        /// A pan.
        Pan = "pan",
        /// A bowl.
        Bowl = "bowl",
        /// A phone.
        Phone = "phone",
        /// A laptop.
        Laptop = "laptop",
        /// A guitar.
        Guitar = "guitar",
        /// A bell.
        Bell = "bell",
        /// A umbrella.
        Umbrella = "umbrella",
    }
}

vocabulary! {
    /// What an item is for; the recommendations ask by it.
    Category {
        /// Fruit.
        Fruit = "fruit",
        /// Food.
        Food = "food",
        /// Drink.
        Drink = "drink",
        /// Toy.
        Toy = "toy",
        /// Wear.
        Wear = "clothes",
        /// Tool.
        Tool = "tool",
        /// Other.
        Other = "thing",
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
    }
}

impl Kind {
    /// What it is for.
    #[must_use]
    pub const fn category(self) -> Category {
        match self.index() {
            0..=5 => Category::Fruit,
            6..=8 => Category::Food,
            9..=13 => Category::Drink,
            14..=20 => Category::Toy,
            21..=25 => Category::Wear,
            26..=30 => Category::Tool,
            _ => Category::Other,
        }
    }

    /// The words for its two states, the inactive one first; none for kinds without states.
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
