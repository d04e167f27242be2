//! What the bridges of the fleet offer, and until when.

use std::collections::{BTreeMap, BTreeSet};

use trimtab_core::{Millis, NodeProfile};
use trimtab_wire::BridgeId;
use trimtab_wire::operator::Offers;

/// Bridges whose offers are kept; the offers of further ones are ignored.
pub(crate) const BRIDGES_MAX: usize = 16;

/// One bridge's word.
#[derive(Debug)]
struct Word {
    until: Millis,
    nodes: BTreeMap<String, NodeProfile>,
}

/// What the governor has to be told.
#[derive(Debug, PartialEq)]
pub(crate) enum Change {
    Offered(String, NodeProfile),
    Withdrawn(String),
}

/// Every offer that holds.
#[derive(Debug, Default)]
pub(crate) struct OfferBook {
    words: BTreeMap<BridgeId, Word>,
}

impl OfferBook {
    /// Takes a bridge's offers, which replace what it offered before; returns what changed. A node whose circuit is open
    /// counts as not offered.
    pub(crate) fn on_offers(&mut self, now: Millis, bridge: &BridgeId, offers: Option<&Offers>) -> Vec<Change> {
        let before = self.names();
        let known = self.words.contains_key(bridge);
        match offers {
            Some(offers) if known || self.words.len() < BRIDGES_MAX => {
                let open = offers.nodes.iter().filter(|offer| offer.available);
                let nodes = open.map(|offer| (offer.node.to_string(), offer.profile())).collect();
                let until = now.plus(Millis::new(offers.valid_ms));
                self.words.insert(bridge.clone(), Word { until, nodes });
            }
            Some(_) => tracing::warn!(%bridge, "offers ignored: {BRIDGES_MAX} bridges are known already"),
            None => {
                self.words.remove(bridge);
            }
        }
        let offered = self.words.get(bridge).into_iter().flat_map(|word| &word.nodes);
        let mut changes: Vec<Change> = offered.map(|(name, profile)| Change::Offered(name.clone(), *profile)).collect();
        changes.extend(self.gone_since(before));
        changes
    }

    /// Drops what has expired; returns the nodes that nobody offers any more.
    pub(crate) fn expire(&mut self, now: Millis) -> Vec<Change> {
        let before = self.names();
        self.words.retain(|bridge, word| {
            let holds = now < word.until;
            if !holds {
                tracing::warn!(%bridge, "offers expired: the bridge has fallen silent");
            }
            holds
        });
        self.gone_since(before)
    }

    fn names(&self) -> BTreeSet<String> {
        self.words.values().flat_map(|word| word.nodes.keys().cloned()).collect()
    }

    fn gone_since(&self, before: BTreeSet<String>) -> Vec<Change> {
        let still = self.names();
        before.into_iter().filter(|name| !still.contains(name)).map(Change::Withdrawn).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_core::Usd;
    use trimtab_wire::NodeName;
    use trimtab_wire::operator::Offer;

    fn offers(bridge: &BridgeId, nodes: &[(&str, bool)]) -> Offers {
        let offer = |(node, available): &(&str, bool)| Offer {
            node: NodeName::new(node).expect("a name"),
            model: "m".into(),
            available: *available,
            price_prompt_nusd: Usd::ZERO,
            price_completion_nusd: Usd::ZERO,
            price_image_nusd: Usd::ZERO,
            images_max: 3,
            context_tokens_max: 1000,
            image_tokens: 100,
            latency_p50_ms: Millis::new(1),
            latency_p95_ms: Millis::new(2),
            token_ms: Millis::new(3),
            calls: 0,
            quality: 0.5,
        };
        Offers { bridge: bridge.clone(), at_unix_ms: 0, valid_ms: 1000, nodes: nodes.iter().map(offer).collect() }
    }

    #[test]
    fn a_node_goes_when_its_last_bridge_goes() {
        let bridge = |name| BridgeId::new(name).expect("a name");
        let (a, b) = (bridge("a"), bridge("b"));
        let mut book = OfferBook::default();
        let at = Millis::new;
        assert_eq!(book.on_offers(at(0), &a, Some(&offers(&a, &[("good", true), ("cheap", true)]))).len(), 2);
        assert_eq!(book.on_offers(at(500), &b, Some(&offers(&b, &[("good", true)]))).len(), 1);
        assert_eq!(book.expire(at(900)), []);
        assert_eq!(book.expire(at(1000)), [Change::Withdrawn("cheap".into())]);
        assert_eq!(book.on_offers(at(1100), &b, None), [Change::Withdrawn("good".into())]);
        assert_eq!(book.on_offers(at(1200), &b, Some(&offers(&b, &[("good", false)]))), []);
    }
}
