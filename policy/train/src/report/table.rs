//! The tables of the page, each under its heading.

use std::fmt::{Result, Write};

use super::page::escape;
use crate::bootstrap::Interval;
use crate::experiment::{Study, Transfer};
use crate::logged::evaluation::Evaluation;
use crate::published::NAMED_BUDGETS;

pub(super) fn verdicts(page: &mut String, study: &Study) -> Result {
    write!(page, "<h2>Verdicts</h2><table><tr><th>claim<th>holds<th>figures</tr>")?;
    for verdict in &study.verdicts {
        let word = if verdict.holds { "yes" } else { "no" };
        write!(page, "<tr><td>{}<td class={word}>{word}<td>{}</tr>", escape(verdict.claim), escape(&verdict.because))?;
    }
    write!(page, "</table>")
}

pub(super) fn budgets(page: &mut String, study: &Study) -> Result {
    for budget in NAMED_BUDGETS {
        write!(
            page,
            "<h2>{} s and {} USD a conversation</h2><table><tr><th>method<th>reward<th>worst seed<th>latency s\
             <th>usage 10⁻³ USD<th>over s %<th>over USD %</tr>",
            budget.seconds, budget.usd
        )?;
        for row in study.rows.iter().filter(|row| row.budget == budget) {
            let shield = if row.shielded { ", shield" } else { "" };
            write!(
                page,
                "<tr><td>{}{shield}<td>{:.4} ± {:.3}<td>{:.4}<td>{:.2}<td>{:.3}<td>{:.1}<td>{:.1}</tr>",
                escape(&row.method),
                row.reward.mean,
                row.reward.std,
                row.worst_seed,
                row.latency_s,
                row.usage_usd * 1e3,
                100.0 * row.over_latency,
                100.0 * row.over_usage
            )?;
        }
        write!(page, "</table>")?;
    }
    Ok(())
}

pub(super) fn paired(page: &mut String, study: &Study) -> Result {
    write!(page, "<h2>Paired differences of reward</h2><table><tr><th>less<th>difference, 95 %</tr>")?;
    for pair in &study.paired {
        write!(
            page,
            "<tr><td>{} less {}<td>{}</tr>",
            escape(&pair.of),
            escape(&pair.against),
            difference(&pair.difference)
        )?;
    }
    write!(page, "</table>")
}

pub(super) fn yardsticks(page: &mut String, study: &Study) -> Result {
    write!(
        page,
        "<h2>Both yardsticks</h2><p>Beside the reward of the published environment (30 s, 0.05 USD, no shield), what the \
         same policies would have scored by the log. A dialogue is judged by the fits that were made without it. The log does \
         not tell views apart, so all that send some are alike to it; the oracle acts as in its own best sequence.</p><table>\
         <tr><th>policy<th>reward<th>s a conversation<th>10⁻³ USD{SCORED}<th>snips over greedy</tr>"
    )?;
    for judged in &study.judged {
        write!(
            page,
            "<tr><td>{}<td>{:.4} ± {:.3}<td>{:.2}<td>{:.2}{}<td>{}</tr>",
            escape(&judged.method),
            judged.reward.mean,
            judged.reward.std,
            judged.latency_s,
            judged.usage_usd * 1e3,
            scored(&judged.logged),
            difference(&judged.over_greedy.snips)
        )?;
    }
    write!(page, "</table>")
}

pub(super) fn logged(page: &mut String, study: &Study) -> Result {
    write!(
        page,
        "<h2>By the logged scores</h2><p>What answers were worth to the judge, told from turns in which the log did \
         what a policy would have done; what is learnt is learnt without the dialogue that it is judged on.</p><table>\
         <tr><th>policy{SCORED}</tr>"
    )?;
    for row in &study.logged.rows {
        let note = if row.in_sample { " (in sample)" } else { "" };
        write!(page, "<tr><td>{}{note}{}</tr>", escape(&row.policy), scored(&row.evaluation))?;
    }
    write!(page, "</table>")
}

pub(super) fn profiles(page: &mut String, study: &Study) -> Result {
    write!(
        page,
        "<h2>Devices and networks</h2><p>Under 30 s and 0.05 USD a conversation; the greedy acts under the shield, the plan is \
         made for the costs of the place.</p><table><tr><th>device<th>network<th>method<th>reward<th>latency s\
         <th>usage 10⁻³ USD<th>over a budget %</tr>"
    )?;
    for profile in &study.profiles {
        write!(
            page,
            "<tr><td>{}<td>{}<td>{}<td>{:.4} ± {:.3}<td>{:.2}<td>{:.3}<td>{:.1}</tr>",
            profile.device,
            profile.network,
            profile.method,
            profile.reward.mean,
            profile.reward.std,
            profile.latency_s,
            profile.usage_usd * 1e3,
            100.0 * profile.over
        )?;
    }
    write!(page, "</table>")
}

pub(super) fn ablations(page: &mut String, study: &Study) -> Result {
    write!(page, "<h2>Ablations</h2>")?;
    for ablation in &study.ablations {
        write!(
            page,
            "<h3>{}</h3><p>{}; measured: {}.</p><table><tr><th>value<th>result<th>over a budget %<th>latency s\
             <th>usage 10⁻³ USD<th>loss, 95 %</tr>",
            ablation.of,
            escape(ablation.meaning),
            escape(ablation.measures)
        )?;
        for point in &ablation.points {
            let name = point.name.map_or_else(|| point.at.to_string(), escape);
            let taken = point.taken.map_or_else(
                || "<td>–<td>–".into(),
                |taken| format!("<td>{:.2}<td>{:.3}", taken.latency_s, taken.usage_usd * 1e3),
            );
            write!(
                page,
                "<tr><td>{name}<td>{:.4} ± {:.3}<td>{:.1}{taken}<td>{}</tr>",
                point.result.mean,
                point.result.std,
                100.0 * point.over,
                maybe(point.loss.as_ref())
            )?;
        }
        write!(page, "</table>")?;
    }
    Ok(())
}

pub(super) fn transfer(page: &mut String, study: &Study) -> Result {
    write!(page, "<h2>Between M4A1 and our own turns</h2>")?;
    let Some(transfer) = &study.transfer else {
        return write!(
            page,
            "<p>No table of our own was given. Make one and say where it is:</p>\
             <pre>trimtab-lab collect --seeds 1..201 --turns 4 --out own\n\
             trimtab-lab collect --seeds 3001..3101 --turns 4 --scenes held-out --out held-out\n\
             trimtab-lab report --data M4A1.json --ids results.json --own own --own-held-out held-out --out report</pre>"
        );
    };
    write!(
        page,
        "<p>{} turns of ours to learn from and {} others to judge on; every class was run there, so what came of a choice is \
         known. Limits on time and money are those of the place where a policy acts: three quarters of one view in every \
         turn.</p>",
        transfer.fitted, transfer.judged
    )?;
    estimates(page, transfer)?;
    on_own(page, transfer)?;
    write!(page, "<h3>On M4A1</h3><table><tr><th>policy<th>learnt on{SCORED}<th>loss of snips against home</tr>")?;
    for row in &transfer.on_log {
        write!(
            page,
            "<tr><td>{}<td>{}{}<td>{}</tr>",
            row.policy,
            row.fitted_on.unwrap_or("–"),
            scored(&row.evaluation),
            maybe(row.loss.as_ref())
        )?;
    }
    write!(page, "</table>")
}

fn estimates(page: &mut String, transfer: &Transfer) -> Result {
    write!(
        page,
        "<h3>Mean score of task and class, in standard deviations</h3><table><tr><th>learnt on<th>judged on<th>n<th>R²\
         <th>mean squared error<th>correlation</tr>"
    )?;
    for found in &transfer.estimates {
        let pearson = found.pearson.map_or_else(|| "–".into(), |pearson| format!("{pearson:+.3}"));
        write!(
            page,
            "<tr><td>{}<td>{}<td>{}<td>{:+.3}<td>{:.3}<td>{pearson}</tr>",
            found.fitted_on, found.judged_on, found.n, found.r2, found.mse
        )?;
    }
    write!(page, "</table>")
}

fn on_own(page: &mut String, transfer: &Transfer) -> Result {
    write!(
        page,
        "<h3>On our own turns</h3><table><tr><th>policy<th>learnt on<th>right %<th>95 %<th>s a turn<th>10⁻³ USD a turn\
         <th>J a turn<th>loss against home, share right</tr>"
    )?;
    for row in &transfer.on_own {
        write!(
            page,
            "<tr><td>{}<td>{}<td>{:.1}<td>{:.1} to {:.1}<td>{:.2}<td>{:.3}<td>{:.3}<td>{}</tr>",
            row.policy,
            row.fitted_on.unwrap_or("–"),
            100.0 * row.right.value,
            100.0 * row.right.low,
            100.0 * row.right.high,
            row.latency_s,
            row.usage_usd * 1e3,
            row.joules,
            maybe(row.loss.as_ref())
        )?;
    }
    write!(page, "</table>")
}

/// Columns of [`scored`].
const SCORED: &str = "<th>snips<th>95 %<th>dr<th>95 %<th>effective n<th>s a turn<th>10⁻³ USD a turn";

fn scored(own: &Evaluation) -> String {
    format!(
        "<td>{:.3}<td>{:.2} to {:.2}<td>{:.3}<td>{:.2} to {:.2}<td>{:.0}<td>{:.2}<td>{:.2}",
        own.snips,
        own.snips_low,
        own.snips_high,
        own.dr,
        own.dr_low,
        own.dr_high,
        own.effective_n,
        own.latency_s,
        own.usage_usd * 1e3
    )
}

fn difference(of: &Interval) -> String {
    format!("{:+.4} [{:+.4}, {:+.4}]", of.value, of.low, of.high)
}

fn maybe(of: Option<&Interval>) -> String {
    of.map_or_else(|| "–".into(), difference)
}
