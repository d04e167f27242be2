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
        /// A round fruit with a stalk.
        Apple = "apple",
        /// A crescent.
        Banana = "banana",
        /// A fruit that is wide below.
        Pear = "pear",
        /// A cup with a handle.
        Mug = "mug",
        /// A tall vessel with a neck.
        Bottle = "bottle",
        /// A drink carton with a gable top.
        Carton = "carton",
        /// A ball with a band.
        Ball = "ball",
        /// A stuffed bear with round ears.
        Teddy = "teddy",
        /// A diamond with a tail.
        Kite = "kite",
        /// A lying book.
        Book = "book",
        /// A hat with a brim.
        Hat = "hat",
        /// A shoe.
        Shoe = "shoe",
    }
}

vocabulary! {
    /// What an item is for; the recommendations ask by it.
    Category {
        /// Something to eat.
        Fruit = "fruit",
        /// Something to drink from.
        Drink = "drink",
        /// Something to play with.
        Toy = "toy",
        /// Something to read or wear.
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
        match self {
            Self::Apple | Self::Banana | Self::Pear => Category::Fruit,
            Self::Mug | Self::Bottle | Self::Carton => Category::Drink,
            Self::Ball | Self::Teddy | Self::Kite => Category::Toy,
            Self::Book | Self::Hat | Self::Shoe => Category::Other,
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
