//! The bound that both ends compute holds, and is not wider than it must be.

use proptest::prelude::*;
use trimtab_core::Usd;
use trimtab_wire::Usage;
use trimtab_wire::price::{Prices, Size};

prop_compose! {
    fn prices()(prompt in 0_u64..20_000_000_000, completion in 0_u64..80_000_000_000, image in 0_u64..5_000_000_000_000)
        -> Prices
    {
        Prices { prompt: Usd::from_nano(prompt), completion: Usd::from_nano(completion), image: Usd::from_nano(image) }
    }
}

prop_compose! {
    fn size()(text_bytes in 0_u64..80_000, messages in 1_u64..65, images in 0_u64..7) -> Size {
        Size { text_bytes, messages, images }
    }
}

proptest! {
    #[test]
    fn capped_tokens_fit_and_one_more_does_not(
        prices in prices(), size in size(), max_cost in 0_u64..50_000_000, wanted in 1_u32..32_768,
    ) {
        let max_cost = Usd::from_nano(max_cost);
        match prices.tokens_within(max_cost, &size, 85, wanted) {
            Some(tokens) => {
                prop_assert!((1..=wanted).contains(&tokens));
                prop_assert!(prices.worst(&size, 85, tokens) <= max_cost);
                prop_assert!(tokens == wanted || prices.worst(&size, 85, tokens + 1) > max_cost);
            }
            None => prop_assert!(prices.worst(&size, 85, 1) > max_cost),
        }
    }

    #[test]
    fn what_is_counted_within_the_bounds_costs_no_more_than_the_worst(
        prices in prices(), size in size(), share in 0.0_f64..1.0, tokens in 1_u32..4_096,
    ) {
        let prompt_tokens = (size.prompt_tokens_max(85) as f64 * share) as u32;
        let usage = Usage { prompt_tokens, completion_tokens: tokens, images: size.images as u32, estimated: false };
        prop_assert!(prices.of(&usage) <= prices.worst(&size, 85, tokens));
    }
}
