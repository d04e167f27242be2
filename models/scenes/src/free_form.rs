//! Prompts as people would say them to a robot at home, written one by one and not made from the wordings of the other modules. No
//! model is trained on them: they show what happens beyond the templates.

mod asking;
mod telling;
mod unlike;

use crate::prompt::TaskKind;

/// Every free-form prompt with its true kind; `None` where it is none of the four.
pub fn free_form_prompts() -> impl Iterator<Item = (Option<TaskKind>, &'static str)> {
    fn of(
        kind: Option<TaskKind>,
        list: &'static [&'static str],
    ) -> impl Iterator<Item = (Option<TaskKind>, &'static str)> {
        list.iter().map(move |&text| (kind, text))
    }
    of(Some(TaskKind::Assistive), &telling::ASSISTIVE)
        .chain(of(Some(TaskKind::Message), &telling::MESSAGE))
        .chain(of(Some(TaskKind::Query), &asking::QUERY))
        .chain(of(Some(TaskKind::Recommendation), &asking::RECOMMENDATION))
        .chain(of(None, &unlike::UNKNOWN))
}
