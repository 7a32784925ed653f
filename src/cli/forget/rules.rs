//! `--keep-...`: rules as the command line says them.

use crate::cli::exit::Failure;
use crate::repository::retention::{Count, Period, Policy, Rule, Span};

/// What is to stay.
#[derive(clap::Args)]
#[command(next_help_heading = "What stays (a number can be `unlimited`)")]
pub struct Rules {
    /// The last N snapshots
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    keep_last: Option<Count>,
    /// One of each of the last N hours that have any
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    keep_hourly: Option<Count>,
    /// One of each of the last N days that have any
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    keep_daily: Option<Count>,
    /// One of each of the last N weeks that have any; a week begins on Monday
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    keep_weekly: Option<Count>,
    /// One of each of the last N months that have any
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    keep_monthly: Option<Count>,
    /// One of each of the last N years that have any
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    keep_yearly: Option<Count>,
    /// All that began within this time before the latest one: 36h, 30d, 2w, 1y6m (m are months)
    #[arg(long, value_name = "TIME")]
    keep_within: Option<Span>,
    /// One of each hour that lies at least in part in this time before the latest one
    #[arg(long, value_name = "TIME")]
    keep_within_hourly: Option<Span>,
    /// One of each day that lies at least in part in this time before the latest one
    #[arg(long, value_name = "TIME")]
    keep_within_daily: Option<Span>,
    /// One of each week that lies at least in part in this time before the latest one
    #[arg(long, value_name = "TIME")]
    keep_within_weekly: Option<Span>,
    /// One of each month that lies at least in part in this time before the latest one
    #[arg(long, value_name = "TIME")]
    keep_within_monthly: Option<Span>,
    /// One of each year that lies at least in part in this time before the latest one
    #[arg(long, value_name = "TIME")]
    keep_within_yearly: Option<Span>,
    /// All with this tag; can be given several times
    #[arg(long, value_name = "TEXT")]
    keep_tag: Vec<String>,
}

impl Rules {
    /// The rules that were given. A number of 0 is none.
    pub fn given(&self) -> Vec<Rule> {
        use Period::{Daily, Hourly, Monthly, Weekly, Yearly};
        let counts = [
            (Hourly, self.keep_hourly),
            (Daily, self.keep_daily),
            (Weekly, self.keep_weekly),
            (Monthly, self.keep_monthly),
            (Yearly, self.keep_yearly),
        ];
        let spans = [
            (Hourly, self.keep_within_hourly),
            (Daily, self.keep_within_daily),
            (Weekly, self.keep_within_weekly),
            (Monthly, self.keep_within_monthly),
            (Yearly, self.keep_within_yearly),
        ];
        let some = |count: &Count| count.0 > 0;
        let mut rules: Vec<Rule> =
            self.keep_last.filter(some).map(Rule::Last).into_iter().collect();
        let counts = counts.into_iter().filter_map(|(p, n)| Some((p, n.filter(some)?)));
        rules.extend(counts.map(|(period, count)| Rule::Every(period, count)));
        rules.extend(self.keep_within.map(Rule::Within));
        let spans = spans.into_iter().filter_map(|(p, s)| Some((p, s?)));
        rules.extend(spans.map(|(period, span)| Rule::EveryWithin(period, span)));
        rules.extend(self.keep_tag.iter().cloned().map(Rule::Tag));
        rules
    }

    /// The policy that they make.
    ///
    /// # Errors
    /// When there is no rule: nothing would stay.
    pub fn policy(&self, whole_series: bool) -> Result<Policy, Failure> {
        let rules = self.given();
        if rules.is_empty() {
            let hint = "give at least one option like --keep-daily 7, or name the snapshots that are \
                        to go";
            let message = "no rule says which snapshots stay".to_owned();
            return Err(Failure::Usage(message, Some(hint.to_owned())));
        }
        Ok(Policy { rules, whole_series })
    }
}
