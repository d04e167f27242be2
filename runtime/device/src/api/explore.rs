//! Requests that name the actions which their turn may take: how data is collected from a running device.
//!
//! ```json
//! {"model": "trimtab", "messages": ["…"], "trimtab": {"actions": [{"node": "good", "views": ["wrist"]}, {"node": "local"}]}}
//! ```
//!
//! The first of them that the shield admits is taken, as it is; where it admits none, the turn is refused with the reason. So a
//! client that puts all actions into a random order draws evenly from those that are admissible, and the turn's record says
//! which those were. It has to be allowed by `[api] explore`.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use trimtab_core::limits::{CANDIDATES_MAX, VIEWS_MAX};
use trimtab_core::{Action, ViewSet};

use super::body::Fault;
use crate::shell::Device;

/// The part of a request that this is about.
const PARAM: &str = "trimtab.actions";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Extension {
    actions: Vec<Named>,
}

/// An action by the names of its parts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    node: String,
    #[serde(default)]
    views: Vec<String>,
}

/// The actions that a request names, in its order; none where it leaves the choice to the device.
pub(super) fn named(fields: &Map<String, Value>) -> Result<Vec<Named>, Fault> {
    let Some(extension) = fields.get("trimtab").filter(|value| !value.is_null()) else { return Ok(Vec::new()) };
    let read = Extension::deserialize(extension).map_err(|fault| {
        let message = format!(
            "trimtab: {fault}; write {{\"actions\": [{{\"node\": \"good\", \"views\": [\"wrist\"]}}]}}, or leave it out"
        );
        Fault::bad_request(message, Some("trimtab"))
    })?;
    let count = read.actions.len();
    if count == 0 || count > CANDIDATES_MAX {
        let message = format!("{count} actions; 1 to {CANDIDATES_MAX} can be named, or leave trimtab out");
        return Err(Fault::bad_request(message, Some(PARAM)));
    }
    Ok(read.actions)
}

/// The same as the device numbers them now.
pub(super) fn actions(named: &[Named], device: &Device) -> Result<Vec<Action>, Fault> {
    if !named.is_empty() && !device.explores() {
        let message = "trimtab.actions: this device chooses by itself; set explore = true under [api] of its configuration \
                       to collect data from it";
        let fault = Fault::bad_request(message, Some(PARAM)).with_status(StatusCode::FORBIDDEN);
        return Err(fault.with_code("explore_not_allowed"));
    }
    named.iter().enumerate().map(|(index, action)| action.resolve(index, device)).collect()
}

impl Named {
    fn resolve(&self, index: usize, device: &Device) -> Result<Action, Fault> {
        let fault = |key: &str, what: String| {
            Fault::bad_request(format!("{PARAM}[{index}].{key}: {what}"), Some(&format!("{PARAM}[{index}].{key}")))
        };
        let node = device.with_governor(|governor| governor.node(&self.node)).ok_or_else(|| {
            fault("node", format!("{:?} is no node of this device; /v1/trimtab/status names them", self.node))
        })?;
        let mut views = ViewSet::EMPTY;
        for name in &self.views {
            let known = device.cameras().iter().take(VIEWS_MAX).position(|camera| camera.name() == name);
            let view = known.ok_or_else(|| {
                fault("views", format!("{name:?} is no camera of this device; /v1/trimtab/status names them"))
            })?;
            views = views.with(view);
        }
        if node.is_local() && !views.is_empty() {
            return Err(fault("views", "the local node takes no views; leave them out".to_owned()));
        }
        Ok(Action { node, views })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(extension: &Value) -> Result<Vec<Named>, String> {
        let request = json!({ "trimtab": extension });
        named(request.as_object().expect("an object")).map_err(|fault| fault.message)
    }

    #[test]
    fn actions_are_read_in_their_order() {
        let actions =
            read(&json!({"actions": [{"node": "good", "views": ["wrist"]}, {"node": "local"}]})).expect("taken");
        assert_eq!(actions[0], Named { node: "good".into(), views: vec!["wrist".into()] });
        assert_eq!(actions[1], Named { node: "local".into(), views: vec![] });
        assert_eq!(read(&Value::Null), Ok(vec![]));
        for (wrong, expect) in [
            (json!({"actions": []}), "0 actions; 1 to"),
            (json!({"action": {}}), "unknown field `action`"),
            (json!({"actions": [{"node": 3}]}), "expected a string"),
            (json!({"actions": vec![json!({"node": "local"}); CANDIDATES_MAX + 1]}), "can be named"),
        ] {
            assert!(read(&wrong).expect_err("refused").contains(expect), "{wrong}");
        }
    }
}
