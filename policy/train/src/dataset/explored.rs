//! What exploration tells of a logged turn: how likely each class of actions was, from the propensities of its candidates.

use super::check::{Place, action};
use super::{Class, DatasetError, Interaction, Measured, Setting};

/// Largest departure of a turn's propensities from summing to one.
const SUM_TOLERANCE: f64 = 1e-6;

/// Of a turn of a log that notes propensities; none of any other.
pub(super) fn class_propensities(
    place: &Place<'_>,
    setting: Option<&Setting>,
    turn: &Interaction,
) -> Result<Option<[f64; Class::ALL.len()]>, DatasetError> {
    let (Some(setting), Some(measured)) = (setting.filter(|setting| setting.one_action), &turn.trimtab) else {
        return Ok(None);
    };
    const FIELD: &str = "trimtab.candidates";
    let taken = taken(place, setting, measured)?;
    let mut classes = [0.0; Class::ALL.len()];
    let mut of_taken = 0.0;
    for candidate in &measured.candidates {
        let likely = candidate.propensity;
        place.ensure((0.0..=1.0).contains(&likely), FIELD, || format!("propensity {likely} is outside 0 to 1"))?;
        let action = action(place, setting, FIELD, &candidate.node, &candidate.views)?;
        classes[Class::of(action).index()] += likely;
        if action == taken {
            of_taken = likely;
        }
    }
    let sum: f64 = classes.iter().sum();
    place.ensure((sum - 1.0).abs() <= SUM_TOLERANCE, FIELD, || format!("propensities sum to {sum}, not to 1"))?;
    place.ensure(of_taken > 0.0, FIELD, || "the action that was taken has no propensity".into())?;
    Ok(Some(classes))
}

fn taken(place: &Place<'_>, setting: &Setting, measured: &Measured) -> Result<trimtab_core::Action, DatasetError> {
    const FIELD: &str = "trimtab.outcomes";
    let [outcome] = measured.outcomes.as_slice() else {
        return Err(place.refuse(FIELD, format!("{} outcomes; a log has one", measured.outcomes.len())));
    };
    action(place, setting, FIELD, &outcome.node, &outcome.views)
}
